// Runs in every page of the tests before its own scripts: what the policy refused, and how long frames take.
window.sidetrackProbe = { violations: [], frames: [], isMeasuring: false };

document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  window.sidetrackProbe.violations.push(`${violatedDirective} ${blockedURI}`);
});

{
  let last = performance.now();
  const measure = (now) => {
    if (window.sidetrackProbe.isMeasuring) window.sidetrackProbe.frames.push(now - last);
    last = now;
    requestAnimationFrame(measure);
  };
  requestAnimationFrame(measure);
}
