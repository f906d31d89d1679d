//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// Watch looks at every zone again and again and notes what changed.
type Watch struct {
	server string // host:port
	parent *Parent
	log    *Log
	zones  map[string]*view
	nudged time.Time
}

// view is what was seen of a zone so far.
type view struct {
	kind   string
	names  map[string]string          // a key's name, such as "KSK 2", by tag and algorithm
	counts map[string]int             // keys of each role so far
	seen   map[string]map[string]bool // things that are there: kind of thing, then key
	dsGone time.Time                  // when the parent's DS went for good
	left   bool
}

func newWatch(port int, parent *Parent, log *Log) *Watch {
	w := &Watch{server: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), parent: parent, log: log, zones: map[string]*view{}}
	for _, k := range kinds {
		w.zones[k] = &view{kind: k, names: map[string]string{}, counts: map[string]int{}, seen: map[string]map[string]bool{}}
	}
	return w
}

// during watches for a time.
func (w *Watch) during(ctx context.Context, length time.Duration, s Server) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, k := range kinds {
			w.look(k)
		}
		if time.Since(w.nudged) > 5*time.Second {
			w.nudged = time.Now()
			if err := s.Nudge(ctx); err != nil {
				return err
			}
		}
		if v := w.zones["insecure"]; !v.left && !v.dsGone.IsZero() &&
			time.Since(v.dsGone) > (dsTTL+parentPropagation+safety)*time.Second {
			v.left = true
			w.log.Add("insecure", "no DS in any cache", "")
			if err := s.Leave(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// look transfers a zone and notes what is not as it was. A transfer that fails
// is nothing to note: the zone is not there yet, or being reloaded.
func (w *Watch) look(kind string) {
	v, zone := w.zones[kind], origin(kind)
	records, err := transfer(w.server, zone)
	if err != nil {
		return
	}
	now, things := v.things(records)
	w.parent.Hear(time.Now(), zone, now)
	ds := map[string]bool{}
	for _, d := range w.parent.DS(zone) {
		ds[v.name(d.KeyTag, d.Algorithm, "")] = true
	}
	if had := v.seen["DS"]; len(had) > 0 && len(ds) == 0 {
		v.dsGone = time.Now()
	}
	things["DS"] = ds
	for _, thing := range order {
		for _, key := range slices.Sorted(maps.Keys(things[thing])) {
			if !v.seen[thing][key] {
				w.log.Add(kind, "+ "+thing, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(v.seen[thing])) {
			if !things[thing][key] {
				w.log.Add(kind, "- "+thing, key)
			}
		}
	}
	v.seen = things
}

// order is the order in which things that change at one moment are written.
var order = []string{"NSEC", "NSEC3", "RRSIG", "all RRSIG", "unsigned", "DNSKEY", "RRSIG(DNSKEY)", "CDS", "CDNSKEY", "DS"}

// things returns what is in a zone, and its CDS records.
func (v *view) things(records []dns.RR) ([]*dns.CDS, map[string]map[string]bool) {
	t := map[string]map[string]bool{}
	for _, thing := range order {
		t[thing] = map[string]bool{}
	}
	var cds []*dns.CDS
	signed, sets := map[string]map[string]bool{}, map[string]bool{}
	for _, rr := range records {
		if k, ok := rr.(*dns.DNSKEY); ok {
			t["DNSKEY"][v.name(k.KeyTag(), k.Algorithm, v.role(k))] = true
		}
	}
	for _, rr := range records {
		set := fmt.Sprintf("%s/%d", rr.Header().Name, rr.Header().Rrtype)
		switch rr := rr.(type) {
		case *dns.CDS:
			cds = append(cds, rr)
			t["CDS"][v.delegated(rr.KeyTag, rr.Algorithm)] = true
		case *dns.CDNSKEY:
			t["CDNSKEY"][v.delegated(rr.KeyTag(), rr.Algorithm)] = true
		case *dns.NSEC:
			t["NSEC"]["chain"] = true
			sets[set] = true
		case *dns.NSEC3:
			t["NSEC3"]["chain"] = true
			sets[set] = true
		case *dns.RRSIG:
			name := v.name(rr.KeyTag, rr.Algorithm, "ZSK")
			switch rr.TypeCovered {
			case dns.TypeDNSKEY:
				t["RRSIG(DNSKEY)"][name] = true
			case dns.TypeCDS, dns.TypeCDNSKEY:
			default:
				t["RRSIG"][name] = true
				if signed[name] == nil {
					signed[name] = map[string]bool{}
				}
				signed[name][fmt.Sprintf("%s/%d", rr.Hdr.Name, rr.TypeCovered)] = true
			}
		case *dns.SOA, *dns.NS, *dns.A:
			sets[set] = true
		}
	}
	vouched := map[string]bool{}
	for name, by := range signed {
		if len(without(by, sets)) == 0 {
			t["all RRSIG"][name] = true
		}
		if t["DNSKEY"][name] {
			maps.Copy(vouched, by)
		}
	}
	// A resolver that asks now gets a set for which the zone has no signature by
	// a key that it shows.
	if lacking := without(vouched, sets); len(t["DNSKEY"]) > 0 && len(lacking) > 0 {
		t["unsigned"][fmt.Sprintf("%d sets, such as %s", len(lacking), lacking[0])] = true
	}
	return cds, t
}

// without returns the sets that are not among those signed.
func without(signed, sets map[string]bool) (lacking []string) {
	for _, s := range slices.Sorted(maps.Keys(sets)) {
		if !signed[s] {
			lacking = append(lacking, s)
		}
	}
	return lacking
}

// role tells a KSK from a ZSK by its flags, and a CSK by what is expected of the
// zone: a new one signs nothing but the DNSKEY set at first.
func (v *view) role(k *dns.DNSKEY) string {
	switch {
	case k.Flags&dns.SEP == 0:
		return "ZSK"
	case v.kind == "csk", v.kind == "scheme" && v.counts["KSK"] > 0:
		return "CSK"
	}
	return "KSK"
}

func (v *view) delegated(tag uint16, algorithm uint8) string {
	if algorithm == 0 {
		return "delete"
	}
	return v.name(tag, algorithm, "")
}

// name returns the name of a key, and gives it one when it is new.
func (v *view) name(tag uint16, algorithm uint8, role string) string {
	id := fmt.Sprintf("%d/%d", tag, algorithm)
	if name, ok := v.names[id]; ok {
		return name
	}
	v.counts[role]++
	v.names[id] = fmt.Sprintf("%s %d", role, v.counts[role])
	return v.names[id]
}

func transfer(server, zone string) ([]dns.RR, error) {
	m := new(dns.Msg)
	m.SetAxfr(zone)
	in, err := (&dns.Transfer{DialTimeout: time.Second, ReadTimeout: time.Second}).In(m, server)
	if err != nil {
		return nil, err
	}
	var list []dns.RR
	for e := range in {
		if e.Error != nil {
			err = e.Error
		}
		list = append(list, e.RR...)
	}
	return list, err
}
