"""What is not language in a sentence, but stands in its translation as it is: addresses and placeholders."""

from __future__ import annotations

import re

# Nothing here is looked for again from the middle of what it may be: that would take quadratic time. URLs and addresses
# are of ASCII, so that letters of other scripts can follow them directly.
LINK = re.compile(
    r"(?<![A-Za-z0-9])(?:https?://|www\.)[!#-;=?-Z\[\]_a-z~]*[A-Za-z0-9_/]"  # URL
    r"|(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"  # e-mail address
    # %s, %1$d: no Latin letter follows.
    r"|(?<![\d%])%(?:\d{1,2}\$)?[-+#0]{0,5}\d{0,3}(?:\.\d{1,3})?[sdifuxX@](?![\d_A-Za-z\u00aa-\u024f\u1e00-\u1eff])"
    r"|\$?\{\{?[\w.:-]*\}?\}"  # {0}, {{name}}, ${name}
)
