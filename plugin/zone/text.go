package zone

import "github.com/miekg/dns"

// Text returns a name in wire form as text, fully qualified, with the escapes
// of RFC 1035 section 5.1.
func Text(wire []byte) string {
	name, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		return "(malformed name)"
	}
	return name
}

// TypeText returns a type's mnemonic, or TYPE and its number (RFC 3597 section 5).
func TypeText(typ uint16) string { return dns.Type(typ).String() }
