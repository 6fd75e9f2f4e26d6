"""The answering machine of the stories, as bad as they come: it answers every letter, again and again.

Called by Postfix's pipe: vacation.py server recipient, with the letter on standard input. What it does depends on the
recipient: away-path@ answers to the return path with the null sender, away-reply@ to Reply-To as RFC 3834 asks,
away-mute@ to Reply-To with nothing but its words to tell that it is a machine, away-fresh@ to From with a new subject each
time and no word of which letter it answers. away-list@ and away-marked@ are mailing lists: they send each letter to all
members, of whom the writer is one, and only the second says what it is.
"""

import email
import email.message
import email.policy
import email.utils
import random
import smtplib
import string
import sys


def main() -> None:
    server, recipient = sys.argv[1:]
    letter = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
    way = recipient.split("@")[0].removeprefix("away-")

    def address(*fields: str) -> str:
        for field in fields:
            _, found = email.utils.parseaddr(str(letter.get(field, "")))
            if found:
                return found
        raise SystemExit("nobody to answer")

    lists = way in ("list", "marked")
    if way == "path":
        to = address("Return-Path")
    elif way == "fresh" or lists:
        to = address("From")
    else:
        to = address("Reply-To", "From")
    answer = email.message.EmailMessage()
    answer["From"] = recipient
    answer["To"] = to
    answer["Date"] = email.utils.localtime()
    answer["Message-ID"] = email.utils.make_msgid(domain=recipient.split("@")[1])
    words = "I am away until Monday.\n"
    if way != "fresh" and not lists:
        answer["In-Reply-To"] = letter["Message-ID"]
    if lists:
        answer["Subject"] = "[members] " + str(letter["Subject"])
        words = letter.get_body(("plain",)).get_content() + "\n_______\nTo leave this list, write to its owner.\n"
        if way == "marked":
            answer["List-Id"] = f"<{recipient.replace('@', '.')}>"
    elif way == "fresh":
        answer["Subject"] = "Holiday greetings " + "".join(random.choices(string.ascii_lowercase, k=8))
    else:
        answer["Subject"] = "Re: " + str(letter["Subject"])
        if way != "mute":
            answer["Auto-Submitted"] = "auto-replied"
    answer.set_content(words)
    host, port = server.split(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.send_message(answer, from_addr="" if way == "path" else recipient, to_addrs=[to])


main()
