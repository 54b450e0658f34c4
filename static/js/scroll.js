/** A viewport that follows the end of what grows in it, and lets go of it when the reader does. */

const NEAR = 64;

/**
 * Keeps the end in sight until the reader scrolls away, and again once they come back to it.
 * @param {HTMLElement} viewport
 * @param {HTMLElement} list an empty one is not followed, or a small screen would open below its own greeting
 * @param {HTMLElement} jump
 */
export function followEnd(viewport, list, jump) {
  let stuck = true;
  let last = { top: 0, content: 0, window: 0 };

  const distance = () => viewport.scrollHeight - viewport.scrollTop - viewport.clientHeight;

  function refresh() {
    if (stuck && list.childElementCount > 0) viewport.scrollTop = viewport.scrollHeight;
    jump.hidden = stuck || distance() <= NEAR;
    last = { top: viewport.scrollTop, content: viewport.scrollHeight, window: viewport.clientHeight };
  }

  function release() {
    if (viewport.scrollHeight > viewport.clientHeight) stuck = false;
  }

  function stick() {
    stuck = true;
    refresh();
  }

  viewport.addEventListener('wheel', (event) => { if (event.deltaY < 0) release(); }, { passive: true });
  viewport.addEventListener('keydown', ({ key }) => { if (['PageUp', 'Home', 'ArrowUp'].includes(key)) release(); });
  viewport.addEventListener('scroll', () => {
    const { scrollTop, scrollHeight, clientHeight } = viewport;
    const resized = scrollHeight !== last.content || clientHeight !== last.window;
    // A growing composer also moves scrollTop; only a move without a change of size is the reader's.
    if (scrollTop < last.top && !resized) stuck = false;
    if (scrollTop > last.top && distance() <= NEAR) stuck = true;
    refresh();
  }, { passive: true });

  const sizes = new ResizeObserver(refresh);
  sizes.observe(viewport);
  for (const child of viewport.children) sizes.observe(child);
  jump.addEventListener('click', stick);
  return {
    stick,
    /** Keeps what is in sight where it is while `change` adds something above it. @param {() => void} change */
    holding(change) {
      stuck = false;
      const below = viewport.scrollHeight - viewport.scrollTop;
      change();
      viewport.scrollTop = viewport.scrollHeight - below;
      refresh();
    },
  };
}
