import next from "eslint-config-next/core-web-vitals";
import tseslint from "typescript-eslint";

/** What a test cannot see and a reader may miss. Layout is the editor's. */
export default tseslint.config(
  { ignores: [".next/**", "coverage/**", "next-env.d.ts"] },
  ...next,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // It means the Pages Router's; in the App Router a root layout writes the element.
      "@next/next/no-head-element": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // The policy's style-src has neither a nonce nor a hash for attributes: such a style would be
      // dropped by the browser, on some pages, unseen by the types.
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='style']",
          message: "The content security policy blocks style attributes: use a class.",
        },
        {
          selector: "JSXOpeningElement[name.name='style']",
          message: "The content security policy blocks inline style sheets: use a class.",
        },
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Markup from a string is how scripts get in: render elements.",
        },
      ],
    },
  },
  // Drawn into a picture at build time: their styles never reach a browser.
  {
    files: ["src/app/**/{icon,apple-icon,opengraph-image}.tsx"],
    rules: { "no-restricted-syntax": "off" },
  },
  // A cast in plain JavaScript is a comment, which this rule does not see; the compiler does.
  { files: ["**/*.mjs"], rules: { "@typescript-eslint/no-unsafe-assignment": "off" } },
  { files: ["*.config.mjs"], ...tseslint.configs.disableTypeChecked },
);
