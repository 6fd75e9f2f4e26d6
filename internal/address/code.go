package address

import (
	"crypto/hmac"
	"crypto/sha256"

	"mxdesk/internal/id"
)

// codeLetters are letters that nobody takes for another one, or for a digit.
const codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ"

// ConfirmCode is what a staff member types to say that a held letter is his: six letters. It is not what proves him, the
// address of Confirm is; it tells a person from a machine that answers by itself.
func (s *Signer) ConfirmCode(letter id.ID) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("confirm-code\x00" + letter.String()))
	sum := h.Sum(nil)
	code := make([]byte, 6)
	for i := range code {
		code[i] = codeLetters[int(sum[i])%len(codeLetters)]
	}
	return string(code)
}
