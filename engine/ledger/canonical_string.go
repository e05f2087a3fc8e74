package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// str copies one string. What is not Unicode becomes U+FFFD, as encoding/json
// reads it; a record that holds such bytes therefore never equals its canonical
// form.
func (c *canonicalizer) str() error {
	c.pos++
	c.dst = append(c.dst, '"')
	for c.pos < len(c.src) {
		switch b := c.src[c.pos]; {
		case b == '"':
			c.pos++
			c.dst = append(c.dst, '"')
			return nil
		case b == '\\':
			r, err := c.escape()
			if err != nil {
				return err
			}
			c.char(r)
		case b < 0x20:
			return fmt.Errorf("control character %#x in a string", b)
		case b < utf8.RuneSelf:
			c.pos++
			c.dst = append(c.dst, b)
		default:
			r, size := utf8.DecodeRune(c.src[c.pos:])
			c.pos += size
			c.dst = utf8.AppendRune(c.dst, r)
		}
	}
	return errShort
}

const simpleEscapes = "\"\\/bfnrt"

func (c *canonicalizer) escape() (rune, error) {
	if c.pos+1 >= len(c.src) {
		return 0, errShort
	}
	b := c.src[c.pos+1]
	if i := bytes.IndexByte([]byte(simpleEscapes), b); i >= 0 {
		c.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if b != 'u' {
		return 0, fmt.Errorf("unknown escape %q", b)
	}
	r, ok := c.unit(c.pos)
	if !ok {
		return 0, errors.New("want four hexadecimal digits")
	}
	c.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if low, ok := c.unit(c.pos); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			c.pos += 6
			return pair, nil
		}
	}
	return utf8.RuneError, nil
}

// unit reads a \uXXXX at a position.
func (c *canonicalizer) unit(at int) (rune, bool) {
	if at+6 > len(c.src) || c.src[at] != '\\' || c.src[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range c.src[at+2 : at+6] {
		switch {
		case b >= '0' && b <= '9':
			r = r<<4 | rune(b-'0')
		case b >= 'a' && b <= 'f':
			r = r<<4 | rune(b-'a'+10)
		case b >= 'A' && b <= 'F':
			r = r<<4 | rune(b-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// char writes one character with the escapes of RFC 8785, which are the fewest
// that JSON allows.
func (c *canonicalizer) char(r rune) {
	switch r {
	case '"', '\\':
		c.dst = append(c.dst, '\\', byte(r))
	case '\b':
		c.dst = append(c.dst, '\\', 'b')
	case '\f':
		c.dst = append(c.dst, '\\', 'f')
	case '\n':
		c.dst = append(c.dst, '\\', 'n')
	case '\r':
		c.dst = append(c.dst, '\\', 'r')
	case '\t':
		c.dst = append(c.dst, '\\', 't')
	default:
		if r < 0x20 {
			c.dst = fmt.Appendf(c.dst, "\\u%04x", r)
			return
		}
		c.dst = utf8.AppendRune(c.dst, r)
	}
}
