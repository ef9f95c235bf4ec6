// Passkeys (WebAuthn): a form asks the browser to make or to use one, and sends what comes back.
// <form data-passkey="create|get" data-options="JSON" data-…="what to say"> with an input "passkey" and a [role=alert].
"use strict";

const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

async function created(asked) {
  const publicKey = { ...asked, challenge: octets(asked.challenge) };
  publicKey.user = { ...asked.user, id: octets(asked.user.id) };
  publicKey.excludeCredentials = (asked.excludeCredentials || []).map((each) => ({ ...each, id: octets(each.id) }));
  const made = await navigator.credentials.create({ publicKey });
  return [made, { attestationObject: base64url(made.response.attestationObject) }];
}

async function got(asked) {
  const used = await navigator.credentials.get({ publicKey: { ...asked, challenge: octets(asked.challenge) } });
  const { authenticatorData, signature } = used.response;
  return [used, { authenticatorData: base64url(authenticatorData), signature: base64url(signature) }];
}

async function answered(form) {
  const asked = JSON.parse(form.dataset.options);
  const [passkey, response] = await (form.dataset.passkey === "create" ? created(asked) : got(asked));
  response.clientDataJSON = base64url(passkey.response.clientDataJSON);
  return JSON.stringify({ id: passkey.id, rawId: base64url(passkey.rawId), type: passkey.type, response });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("[role=alert]");
    const button = form.querySelector("button");
    button.disabled = true;
    said.hidden = true;
    try {
      form.elements.passkey.value = await answered(form);
      form.submit();
    } catch (trouble) {
      const words = { NotAllowedError: form.dataset.cancelled, InvalidStateError: form.dataset.known };
      said.textContent = words[trouble.name] || form.dataset.trouble;
      said.hidden = false;
      button.disabled = false;
      button.focus();
    }
  });
}
// What is said where there is no script, or are no passkeys.
for (const each of document.querySelectorAll("[data-without-passkeys]")) each.hidden = Boolean(window.PublicKeyCredential);
