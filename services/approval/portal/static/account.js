// Registers a passkey: asks the device for a key, and sends what it gave with the form. Everything else works without a script.
"use strict";

(() => {
  const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const textOf = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function asked(options) {
    return {
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...options.user, id: bytesOf(options.user.id) },
      excludeCredentials: (options.excludeCredentials || []).map((one) => ({ ...one, id: bytesOf(one.id) })),
    };
  }

  function given(credential) {
    const answer = credential.response;
    return {
      id: credential.id,
      rawId: textOf(credential.rawId),
      type: credential.type,
      response: {
        clientDataJSON: textOf(answer.clientDataJSON),
        attestationObject: textOf(answer.attestationObject),
        transports: answer.getTransports ? answer.getTransports() : [],
      },
    };
  }

  for (const form of document.querySelectorAll("form[data-register-passkey]")) {
    const said = form.querySelector("[data-said]");
    const button = form.querySelector("button[type=submit]");
    form.addEventListener("submit", async (event) => {
      if (form.elements.credential.value) return;
      event.preventDefault();
      said.textContent = "";
      if (!window.PublicKeyCredential) {
        said.textContent = form.dataset.unknown;
        return;
      }
      button.setAttribute("aria-busy", "true");
      try {
        const options = asked(JSON.parse(form.dataset.registerPasskey));
        const credential = await navigator.credentials.create({ publicKey: options });
        form.elements.credential.value = JSON.stringify(given(credential));
        form.requestSubmit();
      } catch (error) {
        said.textContent = error.name === "InvalidStateError" ? form.dataset.there : form.dataset.notMade;
      } finally {
        button.removeAttribute("aria-busy");
      }
    });
  }
})();
