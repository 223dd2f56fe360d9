// Package smtpcode reads SMTP replies and says what they mean for a bounce: for
// how long it holds (class) and why (category).
//
// Sources: RFC 5321 (reply codes), RFC 2034 and RFC 3463 (enhanced status codes
// and their place in a reply), the IANA registry of enhanced status codes.
// An enhanced code is worth more than a reply code, a reply code more than
// words; words are read only where there is no enhanced code.
package smtpcode

import (
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// Reply is what the codes of an SMTP reply say. The zero Reply has none.
type Reply struct {
	Code     int    // reply code, 200 to 599; 0 if there is none
	Enhanced string // enhanced status code as written, "5.1.1"; "" if there is none
}

// Read finds the codes of a reply such as "550 5.1.1 no such user", also behind
// the "smtp;" of a delivery report. An enhanced code may stand anywhere behind
// the reply code; a bare one is taken at the very start only. One that lies in
// the text has to be of a class a refusal may have, so that a version number in
// a greeting is none.
func Read(reply string) Reply {
	s := strings.TrimLeft(reply, " \t\r\n")
	if len(s) >= 5 && strings.EqualFold(s[:5], "smtp;") {
		s = strings.TrimLeft(s[5:], " \t")
	}
	code, rest := replyCode(s)
	if code == 0 {
		return Reply{Enhanced: enhancedAt(s, 0)}
	}
	return Reply{Code: code, Enhanced: firstEnhanced(rest, code)}
}

// replyCode splits a three-digit reply code off.
func replyCode(s string) (code int, rest string) {
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || !digit(s[1]) || !digit(s[2]) {
		return 0, s
	}
	if len(s) > 3 && (word(s[3]) || s[3] == '.' && len(s) > 4 && digit(s[4])) {
		return 0, s
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0'), s[3:]
}

// firstEnhanced returns the first enhanced code behind a reply code.
func firstEnhanced(s string, code int) string {
	leading := true
	for i := range len(s) {
		if !digit(s[i]) {
			leading = leading && (s[i] == ' ' || s[i] == '-')
			continue
		}
		if i > 0 && (word(s[i-1]) || s[i-1] == '.') {
			continue
		}
		found := enhancedAt(s, i)
		if found != "" && (leading || found[0] != '2' || code < 300) {
			return found
		}
		leading = false
	}
	return ""
}

// enhancedAt returns the enhanced code that starts at s[i], "" if none does. A
// fourth number (an IPv4 address) or an adjoining letter makes it none.
func enhancedAt(s string, i int) string {
	if i >= len(s) || (s[i] != '2' && s[i] != '4' && s[i] != '5') {
		return ""
	}
	subject := dotted(s, i+1)
	detail := dotted(s, subject)
	if detail < 0 || dotted(s, detail) > 0 || detail < len(s) && word(s[detail]) {
		return ""
	}
	return s[i:detail]
}

// dotted returns the end of the "." and one to three digits at s[i]; -1 if they
// do not stand there.
func dotted(s string, i int) int {
	if i < 0 || i >= len(s) || s[i] != '.' {
		return -1
	}
	end := i + 1
	for end < len(s) && digit(s[end]) {
		end++
	}
	if n := end - i - 1; n < 1 || n > 3 {
		return -1
	}
	return end
}

// Enhanced reports whether s is an enhanced status code and nothing else.
func Enhanced(s string) bool { return s != "" && enhancedAt(s, 0) == s }

func digit(c byte) bool { return '0' <= c && c <= '9' }

func word(c byte) bool {
	return digit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

// Class returns for how long a refusal with these codes holds: by the enhanced
// code, else the reply code. A code of success on a refusal decides nothing.
func (r Reply) Class() event.BounceClass {
	first := r.Code / 100
	if r.Enhanced != "" {
		first = int(r.Enhanced[0] - '0')
	}
	switch first {
	case 4:
		return event.Soft
	case 5:
		return event.Hard
	}
	return event.UndeterminedClass
}

// Bounce qualifies a refusal. The provider's own word for the class is worth
// more than any code; it is "" or undetermined where the provider does not say.
// Text is the reply or the provider's words about it.
func (r Reply) Bounce(said event.BounceClass, text string) event.Bounce {
	class := said
	if class == "" || class == event.UndeterminedClass {
		class = r.Class()
	}
	return event.Bounce{Class: class, Category: r.category(class, text)}
}

// category: the enhanced code, then a reply code that means one thing, then
// words, then what the reply code's class leaves.
func (r Reply) category(class event.BounceClass, text string) event.BounceCategory {
	if r.Enhanced != "" {
		return enhancedCategory(r.Enhanced, class)
	}
	if r.Code >= 200 && r.Code < 400 {
		return event.UndeterminedCategory
	}
	if c := codeCategory(r.Code); c != "" {
		return c
	}
	if c := textCategory(text); c != "" {
		return c
	}
	if r.Code == 0 {
		return event.UndeterminedCategory
	}
	return unspecific(r.Code/100 == 4 || class == event.Soft)
}

// unspecific is the category of x.0.0 and of a reply code that says no more.
func unspecific(temporary bool) event.BounceCategory {
	if temporary {
		return event.Transient
	}
	return event.Generic
}
