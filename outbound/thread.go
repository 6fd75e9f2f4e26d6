package outbound

import (
	"encoding/base64"
	"strconv"
	"strings"

	"mxdesk/internal/message"
)

// threadTime stands where Outlook puts the time at which a conversation began. It is the same for all, because the
// letters of a ticket have to have the same one, and only the number behind it tells conversations apart: 2026-01-01 in
// units of 100 ns since 1601, without the lowest 16 bits.
const threadTime = (1_767_225_600 + 11_644_473_600) * 10_000_000 >> 16

// newThread begins a Thread-Index ([MS-OXOMSG] section 2.2.1.3): six octets of time, sixteen that name the conversation. A mail
// program adds five for each answer; ours stay at the root, which keeps them in it just as well.
func newThread(number [16]byte) []byte {
	b := make([]byte, 0, 22)
	for shift := 40; shift >= 0; shift -= 8 {
		b = append(b, byte(uint64(threadTime)>>shift))
	}
	return append(b, number[:]...)
}

// thread writes the fields by which Outlook finds the conversation: its number, and its subject as the first letter had it,
// without "Re:" and the ticket's tag. Outlook compares the whole subject: with the tag our answer would not stand with the letter it
// answers, which lies among the letters that the customer sent.
func (h *header) thread(thread []byte, ticket int64, subject string) {
	if thread == nil {
		return
	}
	subject = clean(strings.ReplaceAll(subject, "[#"+strconv.FormatInt(ticket, 10)+"]", " "))
	if topic := message.CleanSubject(subject); topic != "" {
		h.text("Thread-Topic", topic)
	}
	h.field("Thread-Index", base64.StdEncoding.EncodeToString(thread))
}
