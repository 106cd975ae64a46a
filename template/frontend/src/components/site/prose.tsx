import Markdown, { type Components } from "react-markdown";
import rehypeSlug from "rehype-slug";
import remarkGfm from "remark-gfm";

/**
 * Markdown as elements. HTML in it is left out, so that whoever writes a text writes no script; and a
 * table's cells lose the style attribute of their alignment, which the policy would block.
 */
const components: Components = {
  table: ({ children }) => (
    <div role="group" aria-label="Table" tabIndex={0} className="overflow-x-auto">
      <table>{children}</table>
    </div>
  ),
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
  th: ({ children }) => <th scope="col">{children}</th>,
  td: ({ children }) => <td>{children}</td>,
};

export function Prose({ text }: { text: string }) {
  return (
    <div className="prose">
      <Markdown
        components={components}
        remarkPlugins={[remarkGfm]}
        rehypePlugins={[rehypeSlug]}
        skipHtml
      >
        {text}
      </Markdown>
    </div>
  );
}
