#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Render wit/ for readers: docs/specification.md, on standard output.
set -eu
cd "$(dirname "$0")/.."

cat <<'END'
# The specification

The interfaces that a component may import from slight, and those that it may export to be called. `scripts/specification.sh`
generates this page from the files in [`wit/`](../wit), which are authoritative. `slight wit DIR` writes the files into a folder, and
`slight bindgen c` generates C bindings from them.

Each sentence in which two hosts could differ is a **promise**, and ends with its id, such as `[kv-17]`. The cases of the conformance
suite name the ids that they hold (`scripts/check_promises.py --cases kv-17`). [api-stability.md](api-stability.md#wit-packages) says how
promises may change.

A failed call returns an `error` of `slight:types/errors`; [errors.md](errors.md) says what to do about each code.

END

for package in types kv sql lockd mq pubsub slight; do
    printf '\n'
    awk '
    # Print the doc comment of a declaration, as paragraphs.
    function flush_doc() {
        if (doc != "") printf "%s\n", doc
        doc = ""
    }
    function without_indent(line) {
        return substr(line, indent + 1)
    }
    function heading(level, text) {
        if (listed) print ""
        listed = 0
        printf "%s %s\n\n", level, text
        printf "%s", gate
        gate = ""
        flush_doc()
    }
    # Collect the lines of a declaration that continues.
    collecting {
        code = code "\n" without_indent($0)
        if (ends_by_brace ? $0 == substr("                ", 1, indent) "}" : /;[ ]*$/) {
            printf "```wit\n%s\n```\n\n", code
            collecting = 0
        }
        next
    }
    /^ *\/\/\// {
        line = $0
        sub(/^ *\/\/\/ ?/, "", line)
        doc = doc line "\n"
        next
    }
    # What came with X.Y.0 has been there from the start.
    /^ *@since\(version = [0-9]+\.[0-9]+\.0\)$/ { next }
    /^ *@since/ {
        gsub(/[^0-9.]/, "")
        gate = "*Since " $0 ".*\n\n"
        next
    }
    /^ *@unstable/ {
        gsub(/^.*= */, "")
        sub(/\).*/, "")
        gate = "*Unstable: `--features " $0 "`.*\n\n"
        next
    }
    /^ *$/ || /^ *}$/ { next }
    /^package / {
        name = $2
        sub(/;$/, "", name)
        heading("##", "`" name "`")
        next
    }
    /^(interface|world) / { heading("###", $1 " `" $2 "`"); next }
    /^ *resource / { heading("####", "resource `" $2 "`"); next }
    # The imports of a world and the uses of an interface stay as they are.
    /^ *(use|import|export|include) / {
        flush_doc()
        line = $0
        sub(/^ */, "", line)
        printf "- `%s`\n", line
        listed = 1
        next
    }
    {
        match($0, /^ */)
        indent = RLENGTH
        name = $1
        if (name ~ /^(record|variant|enum|flags|type)$/) name = $2
        sub(/[:;,{=].*$/, "", name)
        heading(indent > 2 ? "#####" : "####", "`" name "`")
        code = without_indent($0)
        ends_by_brace = /{ *$/
        if (!ends_by_brace && /;[ ]*$/) printf "```wit\n%s\n```\n\n", code
        else collecting = 1
    }
    ' "wit/$package/$package.wit"
done

cat <<'END'

## Appendix: the forms of texts

In ABNF ([RFC 5234](https://www.rfc-editor.org/rfc/rfc5234); `%s"…"` is case-sensitive, RFC 7405). A parameter of `slight:sql` that does not have
the form of its type is `invalid-argument` before the database is asked; so is a day that its month does not have, and a `json` that is
nested deeper than 100 levels. What a database returns has these forms, too.

```abnf
decimal   = [sign] 1*DIGIT ["." 1*DIGIT] [exponent]
exponent  = ("e" / "E") [sign] 1*DIGIT
sign      = "+" / "-"

date      = year "-" month "-" day
year      = 4DIGIT                      ; 0001 to 9999
month     = 2DIGIT                      ; 01 to 12
day       = 2DIGIT                      ; 01 to 28, 29, 30 or 31, by month and year

time      = hour ":" minute ":" second ["." 1*9DIGIT]
hour      = 2DIGIT                      ; 00 to 23
minute    = 2DIGIT                      ; 00 to 59
second    = 2DIGIT                      ; 00 to 59: no leap second

timestamp = date %s"T" time [offset]
offset    = %s"Z" / (sign hour ":" minute)

uuid      = 8HEXDIG "-" 4HEXDIG "-" 4HEXDIG "-" 4HEXDIG "-" 12HEXDIG

json      = <JSON-text, RFC 8259, section 2>
```

`-00:00` is the offset 0. Of the digits behind the point of a time a database keeps those that its type has. An exponent may be of any size; a
number that the database cannot hold is `invalid-argument`.
END
