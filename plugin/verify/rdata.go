package verify

import (
	"bytes"
	"errors"
	"slices"
)

// Types that the judge has to know by number.
const (
	typeNS         = 2
	typeCNAME      = 5
	typeSOA        = 6
	typeNAPTR      = 35
	typeA6         = 38
	typeDNAME      = 39
	typeDS         = 43
	typeRRSIG      = 46
	typeNSEC       = 47
	typeDNSKEY     = 48
	typeNSEC3      = 50
	typeNSEC3PARAM = 51
	typeCDS        = 59
	typeCDNSKEY    = 60
	typeANY        = 255
)

// layout tells where names stand in RDATA: n for a name, a digit for that many
// octets, s for a character string. What follows the last name does not matter.
func layout(typ uint16) string {
	switch typ {
	case typeNS, 3, 4, typeCNAME, 7, 8, 9, 12, 30, typeDNAME: // MD MF MB MG MR PTR NXT
		return "n"
	case typeSOA, 14, 17: // MINFO RP
		return "nn"
	case 15, 18, 21, 36: // MX AFSDB RT KX
		return "2n"
	case 24: // SIG
		return "99n"
	case 26: // PX
		return "2nn"
	case 33: // SRV
		return "6n"
	case typeNAPTR:
		return "4sssn"
	}
	return "" // with RFC 6840 section 5.1: HINFO has no name, NSEC keeps its case
}

// appendCanonical appends RDATA with the names in lower case that RFC 4034
// section 6.2 lists.
func appendCanonical(dst []byte, typ uint16, rdata []byte) []byte {
	at := len(dst)
	dst = append(dst, rdata...)
	form := dst[at:]
	if typ == typeA6 && len(form) > 0 && form[0] > 0 && form[0] <= 128 {
		lowerName(form, 1+(128-int(form[0])+7)/8)
		return dst
	}
	off := 0
	for _, c := range layout(typ) {
		if off >= len(form) {
			break
		}
		switch c {
		case 'n':
			off = lowerName(form, off)
		case 's':
			off += 1 + int(form[off])
		default:
			off += int(c - '0')
		}
	}
	return dst
}

// lowerName puts the name at off in lower case and returns what follows it.
func lowerName(b []byte, off int) int {
	for off < len(b) && b[off] != 0 {
		end := min(off+1+int(b[off]), len(b))
		for i := off + 1; i < end; i++ {
			if b[i] >= 'A' && b[i] <= 'Z' {
				b[i] += 'a' - 'A'
			}
		}
		off = end
	}
	return off + 1
}

// canonicalSet returns the RDATA of a set in canonical form and order (RFC 4034
// section 6.3), and whether two of them are the same.
func canonicalSet(typ uint16, set []byte) (rdata [][]byte, twice bool) {
	buf := make([]byte, 0, len(set))
	for set := range each(set) {
		at := len(buf)
		buf = appendCanonical(buf, typ, set)
		rdata = append(rdata, buf[at:len(buf):len(buf)])
	}
	slices.SortFunc(rdata, bytes.Compare)
	for i := 1; i < len(rdata); i++ {
		twice = twice || bytes.Equal(rdata[i-1], rdata[i])
	}
	return rdata, twice
}

// each yields the RDATA of a set: per record its length as two octets, then
// the octets.
func each(set []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(set) >= 2 {
			n := 2 + int(set[0])<<8 + int(set[1])
			if !yield(set[2:n:n]) {
				return
			}
			set = set[n:]
		}
	}
}

// appendRData appends one record to a set.
func appendRData(set, rdata []byte) []byte {
	return append(append(set, byte(len(rdata)>>8), byte(len(rdata))), rdata...)
}

// appendBitmap appends ascending types as RFC 4034 section 4.1.2 writes them.
func appendBitmap(dst []byte, types []uint16) []byte {
	for len(types) > 0 {
		window := types[0] / 256
		var bits [32]byte
		used := 0
		for len(types) > 0 && types[0]/256 == window {
			low := types[0] % 256
			bits[low/8] |= 1 << (7 - low%8)
			used = int(low/8) + 1
			types = types[1:]
		}
		dst = append(dst, byte(window), byte(used))
		dst = append(dst, bits[:used]...)
	}
	return dst
}

var errBitmap = errors.New("malformed type bitmap (RFC 4034 section 4.1.2)")

// bitmapTypes returns the types of a bitmap.
func bitmapTypes(bitmap []byte) (types []uint16, err error) {
	last := -1
	for len(bitmap) > 0 {
		if len(bitmap) < 3 || int(bitmap[0]) <= last || bitmap[1] == 0 || bitmap[1] > 32 || len(bitmap) < 2+int(bitmap[1]) {
			return nil, errBitmap
		}
		last = int(bitmap[0])
		octets := bitmap[2 : 2+int(bitmap[1])]
		if octets[len(octets)-1] == 0 {
			return nil, errBitmap
		}
		for i, o := range octets {
			for bit := range 8 {
				if o&(0x80>>bit) != 0 {
					types = append(types, uint16(last*256+i*8+bit))
				}
			}
		}
		bitmap = bitmap[2+len(octets):]
	}
	return types, nil
}

// bitmapHas reports whether a bitmap has a type. It must be well formed.
func bitmapHas(bitmap []byte, typ uint16) bool {
	for len(bitmap) > 2 {
		n := int(bitmap[1])
		if int(bitmap[0]) == int(typ>>8) {
			octet := int(typ&0xff) / 8
			return octet < n && bitmap[2+octet]&(0x80>>(typ%8)) != 0
		}
		bitmap = bitmap[2+n:]
	}
	return false
}

// bitmapString writes a bitmap's types for an error.
func bitmapString(bitmap []byte) string {
	types, err := bitmapTypes(bitmap)
	if err != nil {
		return "a malformed list"
	}
	if len(types) == 0 {
		return "nothing"
	}
	var b []byte
	for i, t := range types {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, typeString(t)...)
	}
	return string(b)
}

// be16 and be32 read numbers in network order.
func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
