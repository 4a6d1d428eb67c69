/** Where browsers are found on a machine. */
export const CHROMIUM_PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const FIREFOX_PLACES = ['/usr/bin/firefox-esr', '/usr/bin/firefox'];
