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

/** Red, green and blue from 0 to 255, and how much of it is seen. */
function colour(text) {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return { red, green, blue, alpha };
}

function over(front, back) {
  const mix = (channel) => front[channel] * front.alpha + back[channel] * (1 - front.alpha);
  return { red: mix('red'), green: mix('green'), blue: mix('blue'), alpha: 1 };
}

function backgroundOf(element) {
  const layers = [];
  for (let one = element; one !== null; one = one.parentElement)
    layers.push(colour(getComputedStyle(one).backgroundColor));
  return layers.reduceRight((back, front) => over(front, back), {
    red: 255,
    green: 255,
    blue: 255,
    alpha: 1,
  });
}

function luminance({ red, green, blue }) {
  const linear = (value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function ratio(a, b) {
  const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

// Of each element that has a text of its own and is seen; what is switched off need not be read.
window.sidetrackProbe.contrasts = () =>
  [...document.querySelectorAll('body *')]
    .filter((element) => {
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '',
      );
      const isSeen =
        element.checkVisibility() && element.closest('.hidden, noscript, :disabled') === null;
      return hasText && isSeen;
    })
    .map((element) => {
      const style = getComputedStyle(element);
      const back = backgroundOf(element);
      const size = Number.parseFloat(style.fontSize);
      return {
        text: element.textContent.trim().slice(0, 40),
        ratio: ratio(over(colour(style.color), back), back),
        isLarge: size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700),
      };
    });
