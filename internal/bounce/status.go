package bounce

import (
	"strings"

	"mxdesk/internal/octets"
)

// firstStatus returns the first enhanced status code of s (RFC 3463), or "".
func firstStatus(s string) string {
	list := statuses(s, 1)
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// statuses returns up to n enhanced status codes of s, in order: class 2, 4 or 5, subject
// and detail of up to three digits, not part of a longer number, name or IP address.
func statuses(s string, n int) []string {
	var list []string
	for i := 0; i+4 < len(s) && len(list) < n; i++ {
		if s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] != '.' {
			continue
		}
		if i > 0 && (isAlnum(s[i-1]) || strings.IndexByte("._@/=", s[i-1]) >= 0) {
			continue
		}
		j := digits(s, i+2)
		if j == i+2 || j-i > 5 || j >= len(s) || s[j] != '.' {
			continue
		}
		k := digits(s, j+1)
		if k == j+1 || k-j > 4 {
			continue
		}
		if k < len(s) && (isAlnum(s[k]) || s[k] == '.' && k+1 < len(s) && isAlnum(s[k+1]) || s[k] == '@') {
			continue // an IP address or a version
		}
		list = append(list, s[i:k])
		i = k
	}
	return list
}

func digits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// smtpCodes returns up to n SMTP reply codes of class 2, 4 and 5 that stand in s where a reply
// would begin: after white space or punctuation, before a separator.
func smtpCodes(s string, n int) []string {
	var list []string
	for i := 0; i+2 < len(s) && len(list) < n; i++ {
		if s[i] != '2' && s[i] != '4' && s[i] != '5' || s[i+1] < '0' || s[i+1] > '7' || s[i+2] < '0' || s[i+2] > '9' {
			continue
		}
		if i > 0 && (isAlnum(s[i-1]) || strings.IndexByte("._@/=-+&?", s[i-1]) >= 0) {
			continue
		}
		if i+3 < len(s) && (isAlnum(s[i+3]) || strings.IndexByte("./@_%=", s[i+3]) >= 0) && !codeDot(s[i+3:]) {
			continue
		}
		if unitFollows(s[i+3:]) {
			continue
		}
		list = append(list, s[i:i+3])
		i += 2
	}
	return list
}

// codeDot accepts a full stop behind a code: "failed with 550."
func codeDot(s string) bool {
	return s[0] == '.' && (len(s) == 1 || s[1] == ' ' || s[1] == '\n')
}

// unitFollows reports whether the number before s counts something and is no code.
func unitFollows(s string) bool {
	s = strings.TrimLeft(s, " ")
	for _, u := range []string{"bytes", "byte ", "kb", "mb", "minutes", "seconds", "hours", "days", "ms ", "messages", "recipients"} {
		if len(s) >= len(u) && strings.EqualFold(s[:len(u)], u) {
			return true
		}
	}
	return false
}

// pickCode chooses the reply code that fits the class of the status, else the first: "554
// 4.4.7 message expired <421 4.4.2 connection timed out>" is about the 421.
func pickCode(s, status string) string {
	first := ""
	for _, c := range smtpCodes(octets.Clip(s, maxScan), 20) {
		if status != "" && c[0] == status[0] {
			return c
		}
		if first == "" && c[0] != '2' {
			first = c
		}
	}
	return first
}

// generic reports whether a status says nothing but its class.
func generic(status string) bool {
	return status == "" || strings.HasSuffix(status[1:], ".0.0") || status[1:] == ".5.0"
}

// pickStatus chooses between the status field of a report and the codes of the remote
// system's words: the field, unless it says nothing and the words say more of the same class.
func pickStatus(field, words string) string {
	if !generic(field) {
		return field
	}
	for _, s := range statuses(octets.Clip(words, maxScan), 8) {
		if field == "" && s[0] != '2' || field != "" && s[0] == field[0] && !generic(s) {
			return s
		}
	}
	return field
}

// statusReasons maps enhanced status codes to reasons, without their class. Codes with a
// subject of 0 or 3.0 mean nothing and are missing.
var statusReasons = map[string]string{
	"1.1": UserUnknown, "1.2": HostUnknown, "1.3": UserUnknown, "1.4": UserUnknown, "1.6": Moved,
	"1.7": Policy, "1.8": Policy, "1.9": Policy, "1.10": UserUnknown,
	"2.1": Suspended, "2.2": MailboxFull, "2.3": TooLarge, "2.4": UserUnknown,
	"2.121": RateLimited, "2.122": RateLimited,
	"3.1": SystemFull, "3.2": NotAccepting, "3.3": Content, "3.4": TooLarge,
	"4.0": Network, "4.1": Network, "4.2": Network, "4.3": Network, "4.4": HostUnknown, "4.5": RateLimited,
	"4.6": Loop, "4.7": Expired, "4.14": Loop, "4.310": HostUnknown, "4.312": Network, "4.316": Expired,
	"5.3": RateLimited,
	"6.0": Content, "6.1": Content, "6.2": Content, "6.3": Content, "6.5": Content, "6.6": Content, "6.7": Content,
	"6.8": Content, "6.9": Content, "6.11": Content,
	"7.0": Policy, "7.1": Policy, "7.2": Policy, "7.3": Policy, "7.4": Policy, "7.5": Policy, "7.6": Policy, "7.7": Policy,
	"7.8": Policy, "7.9": Policy, "7.10": TLSRequired, "7.11": TLSRequired, "7.12": Policy,
	"7.13": Suspended, "7.14": Policy, "7.15": Policy, "7.16": Policy, "7.17": UserUnknown, "7.18": UserUnknown,
	"7.19": Policy, "7.20": AuthFailure, "7.21": AuthFailure, "7.22": AuthFailure, "7.23": AuthFailure,
	"7.24": AuthFailure, "7.25": Blocked, "7.26": AuthFailure, "7.27": NotAccepting, "7.28": RateLimited,
	"7.29": AuthFailure, "7.30": TLSRequired, "7.51": Blocked, "7.54": Policy, "7.57": Policy,
	"7.60": Policy, "7.64": Policy, "7.124": Policy, "7.133": Policy, "7.134": Policy, "7.136": Policy,
	"7.232": RateLimited, "7.233": RateLimited, "7.236": RateLimited, "7.321": TLSRequired, "7.322": TLSRequired,
	"7.323": TLSRequired, "7.324": TLSRequired, "7.325": TLSRequired,
	"7.501": Spam, "7.502": Spam, "7.503": Spam, "7.504": Policy, "7.505": Policy, "7.506": Policy, "7.507": Policy,
	"7.508": RateLimited, "7.509": AuthFailure, "7.510": Policy, "7.511": Blocked, "7.512": Content, "7.513": Policy,
	"7.515": AuthFailure, "7.520": Policy, "7.703": Blocked, "7.705": RateLimited, "7.708": Blocked, "7.750": Blocked,
}

// statusReason returns what an enhanced status code says by itself, or "".
func statusReason(status string) string {
	if status == "" {
		return ""
	}
	code := status[2:]
	if r, ok := statusReasons[code]; ok {
		return r
	}
	detail, ok := strings.CutPrefix(code, "7.")
	if ok && len(detail) == 3 && detail[0] == '6' {
		return Blocked // 5.7.606 to 5.7.649: banned sending address
	}
	if ok && len(detail) == 3 {
		return Policy
	}
	return ""
}

// codeReasons maps the SMTP reply codes that say something by themselves.
var codeReasons = map[string]string{
	"422": MailboxFull, "431": SystemFull, "441": Network, "442": Network, "446": Loop, "447": Expired,
	"452": SystemFull, "454": TLSRequired,
	"511": UserUnknown, "512": HostUnknown, "513": UserUnknown, "521": NotAccepting, "523": TLSRequired, "525": Suspended,
	"530": Policy, "534": Policy, "535": Policy, "541": Spam, "551": UserUnknown, "552": MailboxFull, "556": NotAccepting,
	"571": Policy,
}
