"""Records of others, of types that the program does not write."""

FOREIGN = [
    ("long-text", "TXT", f'"{"x" * 410}"'),
    ("escapes", "TXT", r'"say \"so\" \\ \195\169"'),
    ("names", "MX", "10 MAIL.Example.com."),
    ("binding", "HTTPS", "1 . alpn=h2,h3 port=443"),
    ("private", "TYPE65400", r"\# 3 010203"),  # which the API lists as ADDR
    ("unknown", "TYPE65300", r"\# 3 010203"),
    ("newer", "TYPE261", r"\# 3 026162"),
    ("too-short", "TLSA", "3 1 1 abcdef"),  # no SHA-256 has three octets, and PowerDNS serves it
]
