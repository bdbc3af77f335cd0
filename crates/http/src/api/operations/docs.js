// The page to read and try the API. Nothing is kept: a reload signs out.
"use strict";

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 2,
  tryItOutEnabled: true,
  validatorUrl: null,
  filter: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});

// OAuth's password form (RFC 6749, section 4.3), whose token goes into every request.
const form = document.getElementById("sign-in");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = form.querySelector("output");
  told.textContent = "…";
  try {
    const body = new URLSearchParams(new FormData(form));
    body.set("grant_type", "password");
    const answer = await fetch("/api/v1/auth/login", { method: "POST", body });
    const said = await answer.json();
    if (!answer.ok) {
      told.textContent = said.detail;
    } else if (said.requires_2fa) {
      told.textContent = "This account asks for a code: auth/verify-2fa takes it with the mfa_token.";
    } else {
      ui.preauthorizeApiKey("bearerAuth", said.access_token);
      form.elements.password.value = "";
      told.textContent = `Signed in as ${said.user.email}, ${said.user.tier}`;
    }
  } catch (error) {
    told.textContent = String(error);
  }
});
