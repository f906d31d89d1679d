package autosign

import (
	"net/netip"

	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// hosts returns the servers that the zone's own records name, with the addresses
// that stand in it; none while there are no records.
func (s *signer) hosts() []parent.Host {
	switch v := s.served.Load(); {
	case s.pending != nil:
		return hostsIn(s.pending.zone)
	case v != nil:
		return hostsIn(v.content)
	}
	return nil
}

func hostsIn(z *zone.Zone) (list []parent.Host) {
	set, _ := z.ApexSet(zone.TypeNS)
	for rd := range set.RData {
		list = append(list, parent.Host{Name: zone.Text(appendFolded(nil, rd)), Addresses: addressesIn(z, appendFolded(nil, rd))})
	}
	return list
}

// addressesIn returns the addresses of a name that stand in a zone.
func addressesIn(z *zone.Zone, name []byte) (list []netip.Addr) {
	relative, in := z.Key(nil, name)
	if !in {
		return nil
	}
	p, exact := z.Find(relative)
	if !exact {
		return nil
	}
	b := z.At(p)
	for _, typ := range []uint16{1, 28} { // A, AAAA
		j := b.FindSet(p.Name, typ)
		if j < 0 {
			continue
		}
		for rd := range b.Set(j).RData {
			if a, ok := netip.AddrFromSlice(rd); ok {
				list = append(list, a)
			}
		}
	}
	return list
}
