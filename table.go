package autosign

import "github.com/autosign-dns/autosign/plugin/zone"

// zoneTable finds the zone that a name is in. Its keys are origins in wire
// form, lower case. A nil signer marks a zone below one of ours that another
// plugin of the server block serves: it is not ours to answer.
type zoneTable struct {
	zones  map[string]*signer
	labels int // of the longest origin
}

// add puts an origin into the table.
func (t *zoneTable) add(origin []byte, s *signer) {
	if t.zones == nil {
		t.zones = map[string]*signer{}
	}
	t.zones[string(origin)] = s
	t.labels = max(t.labels, countLabels(origin))
}

// find returns the signer of the longest origin at or above a name, or nil.
func (t *zoneTable) find(folded []byte) *signer {
	s, _ := t.longest(folded, 0)
	return s
}

// longest is find from octet off of the name on; length is that of the origin
// found, 0 when there is none.
func (t *zoneTable) longest(folded []byte, off int) (s *signer, length int) {
	for skip := countLabels(folded[off:]) - t.labels; skip > 0; skip-- {
		off += int(folded[off]) + 1
	}
	for {
		if s, ok := t.zones[string(folded[off:])]; ok {
			return s, len(folded) - off
		}
		if folded[off] == 0 {
			return nil, 0
		}
		off += int(folded[off]) + 1
	}
}

func countLabels(wire []byte) (n int) {
	for off := 0; wire[off] != 0; off += int(wire[off]) + 1 {
		n++
	}
	return n
}

// appendWire appends the wire form of a name as miekg/dns writes it, in the
// case in which it stands; ok is false for what is no name.
func appendWire(dst []byte, text string) (wire []byte, ok bool) {
	if text == "." || text == "" {
		return append(dst, 0), text == "."
	}
	from, label := len(dst), len(dst)
	dst = append(dst, 0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.':
			n := len(dst) - label - 1
			if n == 0 || n > 63 {
				return dst, false
			}
			dst[label] = byte(n)
			label = len(dst)
			c = 0
		case c == '\\':
			var n int
			if c, n = escaped(text[i+1:]); n == 0 {
				return dst, false
			}
			i += n
		}
		if len(dst)-from == zone.MaxWire {
			return dst, false
		}
		dst = append(dst, c)
	}
	return dst, label == len(dst)-1 // the last octet is the root label
}

// escaped reads what follows a backslash: three digits or one character (RFC
// 1035 section 5.1); n is how long it is, 0 when there is nothing.
func escaped(s string) (c byte, n int) {
	if len(s) >= 3 && digit(s[0]) && digit(s[1]) && digit(s[2]) {
		if v := int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0'); v < 256 {
			return byte(v), 3
		}
	}
	if len(s) == 0 {
		return 0, 0
	}
	return s[0], 1
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// appendFolded appends a name in wire form in lower case.
func appendFolded(dst, wire []byte) []byte {
	for _, c := range wire {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
