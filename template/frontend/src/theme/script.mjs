/**
 * Gives the root element the theme that was chosen, before the first paint. A cached page needs it,
 * because the server that rendered it saw no cookie. Always these letters: the policy names its hash.
 */
export const themeScript =
  '(function(){var t=/(?:^|; )theme=(light|dark)(?:;|$)/.exec(document.cookie);if(t)document.documentElement.dataset.theme=t[1]})()';
