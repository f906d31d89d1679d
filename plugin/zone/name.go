package zone

import "bytes"

// A name is kept in two forms.
//
// Wire form: length-prefixed labels ending in the root label, RFC 1035
// section 3.1, never compressed, of any case.
//
// Sort key: the labels in reversed order (rightmost first), each in lower case
// and closed by a zero octet. The octets 0 and 1 inside a label are written as
// 1 1 and 1 2, so that a zero octet only ever closes a label. Comparing keys
// octet by octet is comparing names in canonical order (RFC 4034 section 6.1),
// and an ancestor's key is a prefix of its descendants' keys. The root's key is
// empty.
//
//	wire  3 w w w 7 e x a m p l e 0      key  e x a m p l e 0 w w w 0
//
// Inside a Zone keys are relative to the origin: the origin itself is empty.

// MaxKey is the longest a sort key can be: every octet of a 255-octet name
// escaped.
const MaxKey = 2 * 255

// MaxWire is the longest a name in wire form can be (RFC 1035 section 2.3.4).
const MaxWire = 255

// AppendKey appends the sort key of a name in wire form. The name must be well
// formed and uncompressed; ValidWire tells.
func AppendKey(dst, wire []byte) []byte {
	var labels [128]uint8
	n := 0
	for off := 0; off < len(wire) && wire[off] != 0; off += int(wire[off]) + 1 {
		labels[n] = uint8(off)
		n++
	}
	for n--; n >= 0; n-- {
		off := int(labels[n])
		for _, c := range wire[off+1 : off+1+int(wire[off])] {
			switch {
			case c <= 1:
				dst = append(dst, 1, c+1)
			case c >= 'A' && c <= 'Z':
				dst = append(dst, c|0x20)
			default:
				dst = append(dst, c)
			}
		}
		dst = append(dst, 0)
	}
	return dst
}

// AppendWire appends the wire form of key, in lower case. For a relative key
// pass the origin's wire form as suffix, for a full key the root's ([]byte{0}).
func AppendWire(dst, key, suffix []byte) []byte {
	for end := len(key); end > 0; {
		start := bytes.LastIndexByte(key[:end-1], 0) + 1
		dst = appendLabel(dst, key[start:end-1])
		end = start
	}
	return append(dst, suffix...)
}

// appendLabel appends one label of a key in wire form.
func appendLabel(dst, label []byte) []byte {
	at := len(dst)
	dst = append(dst, 0)
	for i := 0; i < len(label); i++ {
		c := label[i]
		if c == 1 {
			i++
			c = label[i] - 1
		}
		dst = append(dst, c)
	}
	dst[at] = uint8(len(dst) - at - 1)
	return dst
}

// ValidWire reports whether wire is exactly one well-formed uncompressed name.
func ValidWire(wire []byte) bool {
	if len(wire) == 0 || len(wire) > MaxWire {
		return false
	}
	off := 0
	for off < len(wire) && wire[off] != 0 {
		if wire[off] > 63 {
			return false
		}
		off += int(wire[off]) + 1
	}
	return off == len(wire)-1
}

// Labels returns the number of labels of a key, the root label not counted.
func Labels(key []byte) int { return bytes.Count(key, zeroOctet) }

var zeroOctet = []byte{0}

// Parent returns the key of the name one label up. The key must not be empty.
func Parent(key []byte) []byte {
	return key[:bytes.LastIndexByte(key[:len(key)-1], 0)+1]
}

// Common returns the length of the longest prefix of whole labels that a and b
// share: the key of their nearest common ancestor is a[:Common(a, b)].
func Common(a, b []byte) int {
	common := 0
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == 0 {
			common = i + 1
		}
	}
	return common
}

// AppendWildcard appends the key of the wildcard child of key (RFC 4592
// section 2.1.1).
func AppendWildcard(dst, key []byte) []byte { return append(append(dst, key...), '*', 0) }

// IsWildcard reports whether the first label of the name (the last of its key)
// is a single asterisk.
func IsWildcard(key []byte) bool {
	n := len(key)
	return n >= 2 && key[n-1] == 0 && key[n-2] == '*' && (n == 2 || key[n-3] == 0)
}
