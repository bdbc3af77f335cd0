"""Writes stripe-fields.tsv: the fields that Stripe's objects have, from the types of its own package for Node.js, which
are made of its OpenAPI description. The package of the API's version that Alpine pins is stripe 17.7.0:

    npm pack stripe@17.7.0 && tar xzf stripe-17.7.0.tgz
    python3 stripe_fields.py package/types > stripe-fields.tsv
"""

import pathlib
import re
import sys

TYPES = pathlib.Path(sys.argv[1])
FILES = [
    "Customers", "Subscriptions", "SubscriptionItems", "Prices", "Plans", "Invoices", "Charges", "Refunds", "Disputes",
    "Checkout/Sessions", "BillingPortal/Sessions", "Events",
]  # fmt: skip
# Objects that are asked for, and parts of them that a plain one has although they may be null.
WANTED = [
    "Customer", "Subscription", "SubscriptionItem", "Price", "Plan", "Invoice", "Charge", "Refund", "Dispute",
    "Checkout.Session", "BillingPortal.Session", "EventBase", "Price.Recurring", "Plan.TransformUsage",
    "Subscription.CancellationDetails", "Event.Request", "DeletedCustomer", "Error",
]  # fmt: skip


def blocks(text, indent, prefix):
    """Each interface and alias of a file, under its whole name."""
    opening = re.compile(rf"^ {{{indent}}}(namespace|interface|type) (\w+)(?: extends \w+)? ?(?:=|\{{)(.*)$", re.M)
    for found in opening.finditer(text):
        kind, name, rest = found.groups()
        whole = f"{prefix}{name}"
        if kind == "type":
            yield "type", whole, text[found.end() - len(rest) :].split(";")[0]
            continue
        if rest.strip() == "}":
            yield "interface", whole, ""
            continue
        body = text[found.end() :].split(f"\n{' ' * indent}}}")[0] + "\n"
        if kind == "interface":
            yield "interface", whole, body
        else:
            yield from blocks(body, indent + 2, whole + ".")


INTERFACES, ALIASES = {}, {}
for file in FILES:
    source = (TYPES / f"{file}.d.ts").read_text()
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    inner = source.split("namespace Stripe {\n", 1)[1]
    for kind, name, body in blocks(inner, 4, ""):
        (INTERFACES if kind == "interface" else ALIASES)[name] = body


def word(text, scope):
    """One alternative of a type, in the table's words, or several where it is an alias."""
    text = text.strip().removeprefix("Stripe.")
    if listed := re.fullmatch(r"ApiList<(.*)>", text):
        return [f"list {'|'.join(words(listed[1], scope))}"]
    if many := re.fullmatch(r"Array<(.*)>", text, re.S):
        return [f"[] {'|'.join(words(many[1], scope))}"]
    if text in ("string", "number", "boolean", "null", "true"):
        return [text]
    if re.fullmatch(r"'[^']*'", text):
        return [text]
    if text in ("Metadata", "void") or "[" in text or "{" in text:
        return ["object"] if text != "void" else ["absent"]
    # A name is looked up from the inside out.
    parts = scope.split(".")
    for depth in range(len(parts), -1, -1):
        whole = ".".join(parts[:depth] + [text])
        if whole in ALIASES:
            return words(ALIASES[whole], whole.rsplit(".", 1)[0])
        if whole in INTERFACES:
            return [f"@{whole}"]
    return [f"@{text}"]


def words(text, scope):
    """The alternatives of a type; those inside of brackets belong to what is inside."""
    depth, part, parts = 0, "", []
    for character in text:
        depth += (character in "<{[") - (character in ">}]")
        if character == "|" and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [one for part in [*parts, part] if part.strip() for one in word(part, scope)]


def fields(name):
    for field in re.finditer(r"^ +(\w+)(\??):\s+(.*?);$", INTERFACES[name], re.M | re.S):
        alternatives = words(field[3], name)
        if alternatives != ["absent"]:
            yield field[1], "may" if field[2] else "must", alternatives


# What is told of an error; the package adds what it knows of the answer.
errors = re.search(r"type StripeRawError = \{(.*?)\n    \};", (TYPES / "Errors.d.ts").read_text(), re.S)[1]
ALIASES["RawErrorType"] = re.search(r"type RawErrorType =(.*?);", (TYPES / "Errors.d.ts").read_text(), re.S)[1]
of_the_answer = re.compile(r"^ +(headers|statusCode|requestId|userMessage|detail|doc_code)\?: .*$", re.M)
INTERFACES["Error"] = of_the_answer.sub("", errors)

print("# Made by stripe_fields.py of the types of Stripe's package for Node.js 17.7.0, API 2025-02-24.acacia.")
print("# object\tfield\tmust or may be there\ttype: alternatives of string, number, boolean, true, null, 'word', object, [] of, list of, @object")
waiting, done = list(WANTED), set()
while waiting:
    name = waiting.pop(0)
    if name in done or name not in INTERFACES:
        continue
    done.add(name)
    for field, presence, alternatives in fields(name):
        print(name, field, presence, " | ".join(alternatives), sep="\t")
        nested = [it for it in alternatives if it.startswith("@")]
        # What must be there and cannot be anything else is looked at as well; the rest is not sent.
        if presence == "must" and len(nested) == len(alternatives):
            waiting += [it.removeprefix("@") for it in nested]
