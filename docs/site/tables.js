// The theme puts wide tables into boxes that scroll. Here they become reachable by keyboard.
const name = () => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Table");
  }
};
new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
name();
