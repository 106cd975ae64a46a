// Puts a job into the queue from Node, in the name of the person whose token it has:
//
//   TOKEN=… REDIS_URL=… node enqueue.mjs imports.run '{"import_id": "…"}'
//
// Prints the job's id once the API has taken it in, or why it did not. A server action does the same
// with the session's token: docs/queue/bullmq.md.

import { Queue, QueueEvents } from 'bullmq'

const [task, payload] = process.argv.slice(2)
const { REDIS_URL, TOKEN, QUEUE_NAME = 'jobs' } = process.env
if (!task || !payload || !REDIS_URL || !TOKEN) {
  console.error("usage: TOKEN=… REDIS_URL=… node enqueue.mjs TASK 'PAYLOAD AS JSON'")
  process.exit(2)
}

const connection = { url: REDIS_URL }
const name = `${QUEUE_NAME}-intake`
const queue = new Queue(name, { connection })
// Read from the beginning: what is said between the connection and the first read would be missed.
const events = new QueueEvents(name, { connection, lastEventId: '0-0' })

try {
  await events.waitUntilReady()
  const request = await queue.add(
    'job',
    { task, payload: JSON.parse(payload), token: TOKEN },
    { removeOnComplete: { age: 3600 }, removeOnFail: { age: 24 * 3600 } },
  )
  console.log(await request.waitUntilFinished(events, 30_000))
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  await Promise.all([events.close(), queue.close()])
}
