package verify

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Names are in wire form, uncompressed and in lower case unless said otherwise.

// maxLabels is the most labels that a name of 255 octets can have.
const maxLabels = 127

// labels are the offsets of a name's labels, leftmost first, the root left out.
type labels struct {
	at [maxLabels + 1]uint8
	n  int
}

// split finds the labels of a name; ok is false when the name is malformed.
func (l *labels) split(name []byte) (ok bool) {
	l.n = 0
	if len(name) > 255 {
		return false
	}
	for off := 0; off < len(name); off += 1 + int(name[off]) {
		if name[off] == 0 {
			return off == len(name)-1
		}
		if name[off] > 63 || l.n == maxLabels {
			return false
		}
		l.at[l.n] = uint8(off)
		l.n++
	}
	return false
}

// valid reports whether name is one well-formed name and nothing else.
func valid(name []byte) bool {
	var l labels
	return l.split(name)
}

// countLabels returns the number of labels, the root not counted.
func countLabels(name []byte) int {
	n := 0
	for off := 0; name[off] != 0; off += 1 + int(name[off]) {
		n++
	}
	return n
}

// parent returns the name without its first label. The root has none.
func parent(name []byte) []byte { return name[1+int(name[0]):] }

// ancestor returns the ancestor of name with that many labels.
func ancestor(name []byte, count int) []byte {
	for n := countLabels(name); n > count; n-- {
		name = parent(name)
	}
	return name
}

// below reports whether name is a proper descendant of top.
func below(name, top []byte) bool {
	return len(name) > len(top) && atOrBelow(name, top)
}

// atOrBelow reports whether name is top or a descendant of it.
func atOrBelow(name, top []byte) bool {
	if !bytes.HasSuffix(name, top) {
		return false
	}
	cut := len(name) - len(top)
	off := 0
	for off < cut {
		off += 1 + int(name[off])
	}
	return off == cut
}

// compare orders names canonically (RFC 4034 section 6.1): by their labels from
// the right, each as octets, a missing label first.
func compare(a, b []byte) int {
	var la, lb labels
	la.split(a)
	lb.split(b)
	for i := 1; ; i++ {
		switch {
		case i > la.n && i > lb.n:
			return 0
		case i > la.n:
			return -1
		case i > lb.n:
			return 1
		}
		if c := bytes.Compare(la.octets(a, i), lb.octets(b, i)); c != 0 {
			return c
		}
	}
}

// octets returns the i-th label from the right, without its length.
func (l *labels) octets(name []byte, i int) []byte {
	off := int(l.at[l.n-i])
	return name[off+1 : off+1+int(name[off])]
}

// common returns the number of labels that a and b share at their ends.
func common(a, b []byte) int {
	var la, lb labels
	la.split(a)
	lb.split(b)
	n := 0
	for n < la.n && n < lb.n && bytes.Equal(la.octets(a, n+1), lb.octets(b, n+1)) {
		n++
	}
	return n
}

// isWildcard reports whether the first label is a single asterisk.
func isWildcard(name []byte) bool { return name[0] == 1 && name[1] == '*' }

// wildcardOf returns the wildcard child of a name.
func wildcardOf(name []byte) []byte { return append([]byte{1, '*'}, name...) }

// appendLower appends b in lower case. Length octets are below 'A', so whole
// names may be passed.
func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func lowered(b []byte) []byte { return appendLower(nil, b) }

// nameString returns a name in presentation form.
func nameString(name []byte) string {
	if !valid(name) {
		return fmt.Sprintf("malformed name %x", name)
	}
	if name[0] == 0 {
		return "."
	}
	var b strings.Builder
	for ; name[0] != 0; name = parent(name) {
		for _, c := range name[1 : 1+int(name[0])] {
			switch {
			case strings.IndexByte(`."\;()@$`, c) >= 0:
				b.WriteByte('\\')
				b.WriteByte(c)
			case c <= ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('.')
	}
	return b.String()
}

// typeString returns a type as zone files write it.
func typeString(typ uint16) string { return dns.Type(typ).String() }

// equalNames compares a name of any case with one in lower case.
func equalNames(a, lower []byte) bool {
	if len(a) != len(lower) {
		return false
	}
	for i, c := range a {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
