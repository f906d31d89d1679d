package zone

// rdataNames says where names stand in the RDATA of the types whose names are
// put in lower case for signing (RFC 4034 section 6.2, as corrected by RFC 6840
// section 5.1): octets in front, then that many names, the rest as it is.
var rdataNames = map[uint16]struct{ skip, names int }{
	2: {0, 1}, 3: {0, 1}, 4: {0, 1}, 5: {0, 1}, 6: {0, 2}, 7: {0, 1}, 8: {0, 1}, 9: {0, 1}, // NS MD MF CNAME SOA MB MG MR
	12: {0, 1}, 14: {0, 2}, 15: {2, 1}, 17: {0, 2}, 18: {2, 1}, 21: {2, 1}, // PTR MINFO MX RP AFSDB RT
	24: {18, 1}, 26: {2, 2}, 30: {0, 1}, 33: {6, 1}, 36: {2, 1}, 39: {0, 1}, // SIG PX NXT SRV KX DNAME
}

const (
	typeNAPTR = 35
	typeA6    = 38
)

// AppendCanonical appends RDATA in canonical form (RFC 4034 section 6.2): for
// the types listed there, embedded names in lower case.
func AppendCanonical(dst []byte, typ uint16, rdata []byte) []byte {
	at := len(dst)
	dst = append(dst, rdata...)
	form := dst[at:]
	skip, names := nameFields(typ, form)
	if skip > len(form) {
		return dst
	}
	for form = form[skip:]; names > 0; names-- {
		form = lowerName(form)
	}
	return dst
}

// nameFields returns the octets before the first name in RDATA of this type
// and how many names follow.
func nameFields(typ uint16, rdata []byte) (skip, names int) {
	switch typ {
	case typeNAPTR: // order, preference, three character strings, a name (RFC 3403 section 4.1)
		skip = 4
		for range 3 {
			if skip >= len(rdata) {
				return skip, 0
			}
			skip += 1 + int(rdata[skip])
		}
		return skip, 1
	case typeA6: // prefix length, address suffix, prefix name (RFC 2874 section 3.1)
		if len(rdata) == 0 || rdata[0] == 0 || rdata[0] > 128 {
			return 0, 0
		}
		return 1 + (128-int(rdata[0])+7)/8, 1
	}
	f := rdataNames[typ]
	return f.skip, f.names
}

// lowerName puts the name at the front of b in lower case and returns what follows.
func lowerName(b []byte) []byte {
	off := 0
	for off < len(b) && b[off] != 0 {
		end := off + 1 + int(b[off])
		if end > len(b) {
			return nil
		}
		for i := off + 1; i < end; i++ {
			b[i] = lower(b[i])
		}
		off = end
	}
	if off >= len(b) {
		return nil
	}
	return b[off+1:]
}
