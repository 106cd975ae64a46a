"use strict";

const reference = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  // A token stays in memory, where no other page and no later visitor finds it.
  persistAuthorization: false,
  // Its default sends the document to a public service.
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  onComplete: () => {
    document.title = reference.specSelectors.info().get("title") + " API";
  },
});
