package parent

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

const (
	// typeDSYNC is the record's type (RFC 9859 section 2), and schemeNotify the
	// only scheme there is.
	typeDSYNC    = 66
	schemeNotify = 1

	// dsyncLabel is where the parent publishes its targets (RFC 9859 section 3).
	dsyncLabel = "_dsync."
)

// dsync is the content of a DSYNC record (RFC 9859 section 2.1).
type dsync struct {
	qtype  uint16 // what the parent wants to hear of
	scheme uint8
	port   uint16
	host   string
}

// Notify tells the parent that the zone's CDS or CDNSKEY records have changed
// (RFC 9859 section 4), where the parent says that it wants to be told. It
// returns the targets that acknowledged, as "host:port", or ErrNoTarget. It
// should be called when all servers of the zone show the records.
func (o Observer) Notify(ctx context.Context, zone string) (targets []string, err error) {
	zone = dns.CanonicalName(zone)
	if zone == "." {
		return nil, ErrNoParent
	}
	list, err := o.targets(ctx, zone)
	if err != nil {
		return nil, fmt.Errorf("DSYNC of %s: %w", zone, err)
	}
	var errs []error
	for _, d := range list { // one by the rules, and one is enough
		target := fmt.Sprintf("%s:%d", d.host, d.port)
		if err := o.notify(ctx, zone, d); err != nil {
			errs = append(errs, fmt.Errorf("NOTIFY(CDS) of %s to %s: %w", zone, target, err))
			continue
		}
		return []string{target}, nil
	}
	return nil, errors.Join(errs...)
}

// notify sends the message to the addresses of a target, until one acknowledges.
func (o Observer) notify(ctx context.Context, zone string, d dsync) error {
	m := new(dns.Msg)
	m.SetNotify(zone)
	m.Question[0].Qtype = dns.TypeCDS
	var errs []error
	find := func(host string) ([]netip.Addr, error) { return o.addresses(ctx, host, true) }
	for _, s := range locate([]string{d.host}, d.port, find) {
		err := s.Err
		var answer *dns.Msg
		if err == nil {
			answer, err = ask(ctx, s.Address, m)
		}
		if err == nil && answer.Rcode != dns.RcodeSuccess {
			err = fmt.Errorf("answers %s", dns.RcodeToString[answer.Rcode])
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// targets finds where the parent wants to be told of a new CDS (RFC 9859 section
// 4.1): for this child, for all (a wildcard), or, by parents that cannot have
// one, at the label itself. The first question guesses that the parent is one
// label away; the answer shows where it is.
func (o Observer) targets(ctx context.Context, zone string) ([]dsync, error) {
	rest := above(zone)
	child := below(zone, rest)
	for {
		m, err := o.resolve(ctx, query{name: child + dsyncAt(rest), qtype: typeDSYNC, recursive: true, validated: true}, judgeRcode)
		if err != nil {
			return nil, err
		}
		list, found := dsyncIn(m)
		if found {
			return wanted(list)
		}
		switch apex := apexAbove(m, rest); {
		case apex != "" && child != "":
			child, rest = below(zone, apex), apex
		case child != "":
			child = ""
		default:
			return nil, ErrNoTarget
		}
	}
}

// dsyncAt returns the name under which a parent publishes its targets.
func dsyncAt(parent string) string { return dsyncLabel + strings.TrimPrefix(parent, ".") }

// below returns the labels of a name that are not those of a name above it.
func below(name, above string) string {
	return strings.TrimSuffix(name, strings.TrimPrefix(above, "."))
}

// apexAbove returns the name of the zone that a negative answer is from if it is
// further up than the name; else nothing.
func apexAbove(m *dns.Msg, name string) string {
	for _, rr := range m.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		if _, ok := rr.(*dns.SOA); ok && owner != name && dns.IsSubDomain(owner, name) {
			return owner
		}
	}
	return ""
}

// dsyncIn returns the DSYNC records in an answer that can be read, and whether
// there are any. The library does not know the type (RFC 3597).
func dsyncIn(m *dns.Msg) (list []dsync, found bool) {
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != typeDSYNC || rr.Header().Class != dns.ClassINET {
			continue
		}
		found = true
		var raw dns.RFC3597
		if raw.ToRFC3597(rr) != nil {
			continue
		}
		if d, err := parseDSYNC(raw.Rdata); err == nil {
			list = append(list, d)
		}
	}
	return list, found
}

// parseDSYNC reads RDATA in hexadecimal.
func parseDSYNC(text string) (dsync, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		return dsync{}, err
	}
	if len(b) < 6 {
		return dsync{}, errors.New("shorter than any DSYNC record")
	}
	host, end, err := dns.UnpackDomainName(b, 5)
	if err != nil {
		return dsync{}, err
	}
	if end != len(b) {
		return dsync{}, errors.New("a target that does not end with the record")
	}
	return dsync{binary.BigEndian.Uint16(b), b[2], binary.BigEndian.Uint16(b[3:]), dns.CanonicalName(host)}, nil
}

// wanted returns the records that ask for NOTIFY(CDS).
func wanted(list []dsync) (out []dsync, err error) {
	for _, d := range list {
		if d.qtype == dns.TypeCDS && d.scheme == schemeNotify && d.port != 0 && d.host != "." {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, ErrNoTarget
	}
	return out, nil
}
