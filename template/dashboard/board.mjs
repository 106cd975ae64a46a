// bull-board for development: what waits, runs and failed in the queue. `make dev` starts it on PORT.
//
// It may change the queue and asks nobody who they are, so it listens on 127.0.0.1 only, and answers
// only to that name: a page elsewhere that has its own name resolve to 127.0.0.1 gets nothing, and
// neither does a form that it sends.

import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'
import { Queue } from 'bullmq'
import express from 'express'

const HOST = '127.0.0.1'
const { PORT, REDIS_URL, QUEUE_NAME = 'jobs' } = process.env
if (!PORT || !REDIS_URL) {
  console.error('PORT and REDIS_URL must be set; `make dev` does it.')
  process.exit(2)
}

const names = [`${HOST}:${PORT}`, `localhost:${PORT}`]
const origins = names.map((name) => `http://${name}`)

const queues = [QUEUE_NAME, `${QUEUE_NAME}-intake`].map(
  (name) => new Queue(name, { connection: { url: REDIS_URL } }),
)
for (const queue of queues) queue.on('error', (error) => console.error(error.message))

const board = new ExpressAdapter()
createBullBoard({
  queues: queues.map((queue) => new BullMQAdapter(queue)),
  serverAdapter: board,
  options: { uiConfig: { boardTitle: 'Jobs' } },
})

const app = express()
app.disable('x-powered-by')
app.use((request, response, next) => {
  const { host, origin } = request.headers
  if (names.includes(host) && (origin === undefined || origins.includes(origin))) next()
  else response.status(421).send('This address is for this machine only.\n')
})
app.use(board.getRouter())

const server = app.listen(Number(PORT), HOST, () => console.log(`http://${HOST}:${PORT}`))
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.closeAllConnections()
    server.close()
    await Promise.all(queues.map((queue) => queue.close()))
  })
}
