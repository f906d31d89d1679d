package parent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Copy is what one address of one server of a zone shows of it.
type Copy struct {
	Name    string   // host name with the final dot
	Address string   // with the port; empty if none was found
	DNSKEY  [][]byte // RDATA, in order; none and no error: it is certain that there are none
	TTL     uint32   // seconds; of the DNSKEY set
	Serial  uint32   // of the SOA
	Err     error    // why it is not known what it has
}

// Published is what the servers that the world is led to show of a zone.
type Published struct {
	At     time.Time // when the last of them had answered
	Copies []Copy    // all addresses of all servers, at least one
}

// DNSKEY asks every address of every server that the zone's NS records name for
// the keys and the serial: what the world sees, whatever is thought to be there.
// A server that cannot be reached, or whose answer proves nothing, has its error.
// DNSKEY itself fails if the servers cannot be found: ErrUnreachable, or
// ErrNotDelegated. Agents are not asked.
func (o Observer) DNSKEY(ctx context.Context, zone string) (Published, error) {
	zone = dns.CanonicalName(zone)
	list, err := o.serversOf(ctx, zone, false) // it may be bogus: then all the more
	if err != nil {
		return Published{}, err
	}
	return publishedAt(ctx, zone, list), nil
}

// Host is a server that a zone's own records name.
type Host struct {
	Name      string       // with the final dot
	Addresses []netip.Addr // that stand in the zone; none: they are looked up
}

// DNSKEYAt is DNSKEY where the world need not be led to the zone: it asks the
// servers that the zone's own records name.
func (o Observer) DNSKEYAt(ctx context.Context, zone string, hosts []Host) Published {
	known, names := map[string][]netip.Addr{}, []string{}
	for _, h := range hosts {
		names, known[h.Name] = append(names, h.Name), h.Addresses
	}
	return publishedAt(ctx, dns.CanonicalName(zone), locate(names, o.Port, func(host string) ([]netip.Addr, error) {
		if list := known[host]; len(list) > 0 {
			return list, nil
		}
		return o.addresses(ctx, host, false)
	}))
}

// publishedAt asks servers for the keys and the serial of a zone.
func publishedAt(ctx context.Context, zone string, list []Server) Published {
	copies := make([]Copy, len(list))
	for i, s := range list {
		copies[i] = Copy{Name: s.Name, Address: s.Address, Err: s.Err}
	}
	each(copies, func(c *Copy) {
		if c.Err == nil {
			c.Err = c.ask(ctx, zone)
		}
	})
	return Published{time.Now().UTC(), copies}
}

// ask fills in what the server shows.
func (c *Copy) ask(ctx context.Context, zone string) error {
	m, err := ask(ctx, c.Address, query{name: zone, qtype: dns.TypeSOA}.message())
	if err == nil {
		err = judgeSource(m, false)
	}
	if err != nil {
		return fmt.Errorf("SOA: %w", err)
	}
	i := slices.IndexFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA && at(rr, zone) })
	if i < 0 {
		return errors.New("has no SOA of the zone")
	}
	c.Serial = m.Answer[i].(*dns.SOA).Serial
	m, err = ask(ctx, c.Address, query{name: zone, qtype: dns.TypeDNSKEY}.message())
	if err == nil {
		err = judgeSource(m, false)
	}
	if err == nil {
		c.DNSKEY, c.TTL, err = keysIn(m, zone)
	}
	if err != nil {
		return fmt.Errorf("DNSKEY: %w", err)
	}
	return nil
}

// keysIn returns the keys in an answer, or an error if it does not prove that
// there are none: the SOA of the zone itself does (RFC 2308 section 2.2).
func keysIn(m *dns.Msg, zone string) (keys [][]byte, ttl uint32, err error) {
	for _, rr := range m.Answer {
		key, ok := rr.(*dns.DNSKEY)
		if !ok || !at(rr, zone) {
			continue
		}
		public, err := base64.StdEncoding.DecodeString(key.PublicKey)
		if err != nil {
			return nil, 0, fmt.Errorf("a key with base64 %q: %w", key.PublicKey, err)
		}
		rdata := binary.BigEndian.AppendUint16(nil, key.Flags)
		keys = append(keys, append(append(rdata, key.Protocol, key.Algorithm), public...))
		ttl = max(ttl, key.Hdr.Ttl)
	}
	denied := slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA && at(rr, zone) })
	if len(keys) == 0 && (m.Rcode != dns.RcodeSuccess || !denied) {
		return nil, 0, errors.New("answers without a key and without the SOA of the zone")
	}
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal), ttl, nil
}
