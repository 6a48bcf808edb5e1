(() => {
  "use strict";
  const { origin, channel, message, returnTo } = document.body.dataset;
  const result = JSON.parse(message);
  try {
    if (window.opener) {
      window.opener.postMessage(result, origin);
    }
  } catch {
    // The opener is gone or cut off; the channel may still reach it.
  }
  // A sign-in page with a Cross-Origin-Opener-Policy has cut the opener off for
  // good. Only pages of this very origin hear the channel.
  if (channel && origin === window.location.origin && "BroadcastChannel" in window) {
    new BroadcastChannel(channel).postMessage(result);
  }
  // The messages get a moment to leave. Only windows that a script has opened
  // close: whatever is still there then is a tab of its own.
  window.setTimeout(() => window.close(), 50);
  window.setTimeout(() => window.location.replace(returnTo), 1000);
})();
