package address

import (
	"crypto/hmac"
	"crypto/sha256"
	"strconv"
)

// Thread is a number for all letters of one ticket, for mail programs that sort letters into conversations by
// one. It is no proof of anything: whoever got a letter knows it.
func (s *Signer) Thread(ticket int64) (number [16]byte) {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("thread\x00" + strconv.FormatInt(ticket, 10)))
	copy(number[:], h.Sum(nil))
	return number
}
