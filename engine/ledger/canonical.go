package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	maxDepth   = 64               // nesting of objects and arrays
	maxInteger = 9007199254740991 // 2^53-1: beyond it, readers in other languages round
	manyKeys   = 16               // from here on, duplicate keys are looked up in a map
)

// Canonical is the one way a value is written in records: two spaces of indent,
// struct fields in their order, map keys sorted, strings escaped as RFC 8785
// says, no final newline. Numbers must be integers within ±(2^53-1), and no key
// may occur twice in an object. A json.RawMessage keeps the order of its keys.
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	out, err := canonicalJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	return out, nil
}

// canonicalJSON rewrites one JSON value in the canonical form. It owns the form
// so that records stay byte-identical whatever a JSON library does next year.
func canonicalJSON(src []byte) ([]byte, error) {
	c := canonicalizer{src: src, dst: make([]byte, 0, len(src)+len(src)/2)}
	if err := c.value(0); err != nil {
		return nil, fmt.Errorf("at byte %d: %w", c.pos, err)
	}
	c.space()
	if c.pos != len(c.src) {
		return nil, fmt.Errorf("at byte %d: data after the value", c.pos)
	}
	return c.dst, nil
}

type canonicalizer struct {
	src []byte
	pos int
	dst []byte
}

var errShort = errors.New("unexpected end")

func (c *canonicalizer) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// next skips space and returns the byte there, without consuming it; 0 at the end.
func (c *canonicalizer) next() byte {
	c.space()
	if c.pos == len(c.src) {
		return 0
	}
	return c.src[c.pos]
}

func (c *canonicalizer) line(depth int) {
	c.dst = append(c.dst, '\n')
	for range depth {
		c.dst = append(c.dst, ' ', ' ')
	}
}

func (c *canonicalizer) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch b := c.next(); {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.array(depth)
	case b == '"':
		return c.str()
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	case b == 0 && c.pos == len(c.src):
		return errShort
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(c.src[c.pos:], []byte(word)) {
			c.pos += len(word)
			c.dst = append(c.dst, word...)
			return nil
		}
	}
	return fmt.Errorf("unexpected %q", c.src[c.pos])
}

func (c *canonicalizer) object(depth int) error {
	c.pos++
	c.dst = append(c.dst, '{')
	if c.next() == '}' {
		c.pos++
		c.dst = append(c.dst, '}')
		return nil
	}
	var seen keys
	for {
		c.line(depth + 1)
		if c.next() != '"' {
			return errors.New("want a key")
		}
		at := len(c.dst)
		if err := c.str(); err != nil {
			return err
		}
		if !seen.add(c.dst[at:]) {
			return fmt.Errorf("key %s occurs twice", c.dst[at:])
		}
		if c.next() != ':' {
			return errors.New("want a colon")
		}
		c.pos++
		c.dst = append(c.dst, ':', ' ')
		if err := c.value(depth + 1); err != nil {
			return err
		}
		done, err := c.more('}', depth)
		if done || err != nil {
			return err
		}
	}
}

func (c *canonicalizer) array(depth int) error {
	c.pos++
	c.dst = append(c.dst, '[')
	if c.next() == ']' {
		c.pos++
		c.dst = append(c.dst, ']')
		return nil
	}
	for {
		c.line(depth + 1)
		if err := c.value(depth + 1); err != nil {
			return err
		}
		done, err := c.more(']', depth)
		if done || err != nil {
			return err
		}
	}
}

// more consumes a comma, or the closing bracket, which ends the list.
func (c *canonicalizer) more(closing byte, depth int) (done bool, err error) {
	switch c.next() {
	case ',':
		c.pos++
		c.dst = append(c.dst, ',')
		return false, nil
	case closing:
		c.pos++
		c.line(depth)
		c.dst = append(c.dst, closing)
		return true, nil
	}
	return false, fmt.Errorf("want a comma or %q", closing)
}

func (c *canonicalizer) number() error {
	start := c.pos
	if c.src[c.pos] == '-' {
		c.pos++
	}
	digits := c.pos
	var n uint64
	for c.pos < len(c.src) && c.src[c.pos] >= '0' && c.src[c.pos] <= '9' {
		n = n*10 + uint64(c.src[c.pos]-'0')
		c.pos++
		if n > maxInteger {
			return errors.New("integer beyond 2^53-1: write it as a string")
		}
	}
	switch text := c.src[digits:c.pos]; {
	case len(text) == 0:
		return errors.New("want a digit")
	case len(text) > 1 && text[0] == '0':
		return errors.New("number with a leading zero")
	case n == 0 && digits > start:
		return errors.New("negative zero")
	}
	if c.pos < len(c.src) && bytes.IndexByte([]byte(".eE"), c.src[c.pos]) >= 0 {
		return errors.New("number that is not an integer")
	}
	c.dst = append(c.dst, c.src[start:c.pos]...)
	return nil
}

// keys remembers the keys of one object, in their canonical form.
type keys struct {
	few  [][]byte
	many map[string]struct{}
}

// add reports whether the key is new.
func (k *keys) add(key []byte) bool {
	if k.many != nil {
		_, had := k.many[string(key)]
		k.many[string(key)] = struct{}{}
		return !had
	}
	for _, f := range k.few {
		if bytes.Equal(f, key) {
			return false
		}
	}
	k.few = append(k.few, bytes.Clone(key))
	if len(k.few) == manyKeys {
		k.many = make(map[string]struct{}, 2*manyKeys)
		for _, f := range k.few {
			k.many[string(f)] = struct{}{}
		}
	}
	return true
}
