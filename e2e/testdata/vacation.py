"""The answering machine of the stories, as bad as they come: it answers every letter, again and again.

Called by Postfix's pipe: vacation.py server recipient, with the letter on standard input. What it does depends on the
recipient: away-path@ answers to the return path with the null sender, away-reply@ to Reply-To as RFC 3834 asks,
away-mute@ to Reply-To with nothing but its words to tell that it is a machine.
"""

import email
import email.message
import email.policy
import email.utils
import smtplib
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

    to = address("Return-Path") if way == "path" else address("Reply-To", "From")
    answer = email.message.EmailMessage()
    answer["From"] = recipient
    answer["To"] = to
    answer["Date"] = email.utils.localtime()
    answer["Message-ID"] = email.utils.make_msgid(domain=recipient.split("@")[1])
    answer["In-Reply-To"] = letter["Message-ID"]
    if way == "mute":
        answer["Subject"] = "Out of office: " + str(letter["Subject"])
    else:
        answer["Subject"] = "Re: " + str(letter["Subject"])
        answer["Auto-Submitted"] = "auto-replied"
    answer.set_content("I am away until Monday.\n")
    host, port = server.split(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.send_message(answer, from_addr="" if way == "path" else recipient, to_addrs=[to])


main()
