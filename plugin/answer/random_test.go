package answer

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// choices turns octets into choices; when they run out every choice is the first.
type choices struct{ octets []byte }

func (c *choices) below(n int) int {
	if len(c.octets) == 0 {
		return 0
	}
	k := int(c.octets[0])
	c.octets = c.octets[1:]
	return k % n
}

func (c *choices) of(list ...string) string { return list[c.below(len(list))] }

// name chooses a name at or below the origin, often one that was there before.
func (c *choices) name() string {
	name := "example.org."
	for range c.below(5) {
		name = c.of("a", "b", "*", "c", "B", "a", "zz", `\000`, `d\.e`) + "." + name
	}
	return name
}

// target chooses a name for RDATA, outside the zone at times.
func (c *choices) target() string {
	if c.below(5) == 4 {
		return c.of("example.net.", "www.example.net.", "org.", "a.exampl.org.")
	}
	return c.name()
}

// zone chooses the records of a zone that can be signed.
func (c *choices) zone() string {
	var out strings.Builder
	fmt.Fprintln(&out, "example.org. 3600 IN SOA a.example.org. b.example.org. 1 7200 3600 1209600 300")
	fmt.Fprintf(&out, "example.org. 3600 IN NS %s\n", c.target())
	single := map[string]bool{} // names that take nothing more
	used := map[string]bool{"example.org.": true}
	cuts := map[string]bool{}
	for range 4 + c.below(24) {
		owner := strings.ToLower(c.name())
		wild, apex := strings.HasPrefix(owner, "*."), owner == "example.org."
		if single[owner] {
			continue
		}
		typ := c.of("A", "TXT", "NS", "CNAME", "A", "DNAME", "DS", "MX", "AAAA")
		data := ""
		switch typ {
		case "A":
			data = fmt.Sprintf("192.0.2.%d", c.below(3))
		case "AAAA":
			data = fmt.Sprintf("2001:db8::%d", c.below(3))
		case "TXT":
			data = fmt.Sprintf("\"%d\"", c.below(3))
		case "MX":
			data = "10 " + c.target()
		case "CNAME":
			if used[owner] {
				continue
			}
			single[owner] = true
			data = c.target()
		case "DNAME":
			if wild || used[owner+"DNAME"] || cuts[owner] {
				continue
			}
			used[owner+"DNAME"] = true
			data = c.target()
		case "NS", "DS":
			if wild || apex || used[owner+"DNAME"] {
				continue
			}
			if typ == "DS" {
				fmt.Fprintf(&out, "%s 3600 IN DS %d 15 2 %064x\n", owner, c.below(3), 7)
			}
			cuts[owner], typ, data = true, "NS", c.target()
		}
		used[owner] = true
		fmt.Fprintf(&out, "%s %d IN %s %s\n", owner, 60, typ, data)
	}
	return out.String()
}

// question chooses a question, at, beside or below the names of a zone.
func (c *choices) question(rrs []dns.RR) (name string, typ uint16) {
	switch c.below(3) {
	case 0:
		name = c.name()
	case 1:
		name = rrs[c.below(len(rrs))].Header().Name
	default:
		name = c.of("a", "q", "*", "zz") + "." + rrs[c.below(len(rrs))].Header().Name
	}
	return name, []uint16{dns.TypeA, dns.TypeTXT, dns.TypeNS, dns.TypeDS, dns.TypeCNAME, dns.TypeDNAME,
		dns.TypeMX, dns.TypeSOA, dns.TypeDNSKEY, dns.TypeNSEC, dns.TypeANY, dns.TypeRRSIG, dns.TypeAAAA}[c.below(13)]
}
