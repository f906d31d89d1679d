package store

import (
	"fmt"
	"strings"
)

// maxName is the longest name of a document: file systems take 255 octets.
const maxName = 255

// Name returns the name of a zone's document of a kind: Name("example.org.",
// "state.json") is "example.org.state.json". The root zone's begins with "root.".
func Name(zone, kind string) string {
	switch base := FileName(zone); base {
	case ".":
		return "root." + kind
	case "root.":
		return "%72oot." + kind // a zone of that name is not the root
	default:
		return base + kind
	}
}

// FileName returns a zone's name as BIND writes it in names of files: lower
// case with the final dot, and every octet but letters, digits, hyphen and
// underscore as %XX. The root is ".".
func FileName(zone string) string {
	if zone == "" || zone == "." {
		return "."
	}
	var b strings.Builder
	for i := 0; i < len(zone); i++ {
		c := zone[i]
		if c == '.' {
			b.WriteByte('.')
			continue
		}
		if c == '\\' {
			c, i = unescape(zone, i)
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if name := b.String(); strings.HasSuffix(name, ".") {
		return name
	}
	return b.String() + "."
}

// unescape reads \DDD or \X at i (RFC 1035 section 5.1) and returns the octet
// and where it ends.
func unescape(s string, i int) (byte, int) {
	if i+3 < len(s) {
		n := 0
		for _, c := range []byte(s[i+1 : i+4]) {
			if c < '0' || c > '9' {
				n = 256
				break
			}
			n = n*10 + int(c-'0')
		}
		if n < 256 {
			return byte(n), i + 3
		}
	}
	if i+1 < len(s) {
		return s[i+1], i + 1
	}
	return '\\', i
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// CheckName returns an error for what cannot be the name of a document: back
// ends take letters, digits and "-_.%", no dot at either end.
func CheckName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("document name %q has %d octets, not 1 to %d", name, len(name), maxName)
	}
	if name[0] == '.' || name[len(name)-1] == '.' {
		return fmt.Errorf("document name %q begins or ends with a dot", name)
	}
	for _, c := range []byte(name) {
		if upper := c >= 'A' && c <= 'Z'; !upper && !plain(c) && c != '.' && c != '%' {
			return fmt.Errorf("document name %q has the octet %q", name, c)
		}
	}
	return nil
}
