package parent

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The world: a root, zones below it on servers of three makes, and resolvers that
// find their way through it. All are asked at one port, on addresses of their own.
// BIND only listens where an interface has its address.
const (
	bindAddr  = "127.0.0.1"
	rootAddr  = "127.0.0.2"
	nsdAddr   = "127.0.0.3"
	knotAddr  = "127.0.0.4"
	childAddr = "127.0.0.5"
	nobody    = "127.0.0.7"
)

const rootZone = `$TTL 300
@ SOA ns.root. host.root. 1 3600 600 86400 60
@ NS ns.root.
ns.root. A 127.0.0.2
jp  NS ns1.jp.
jp  NS ns2.jp.
jp  NS ns3.jp.
ns1.jp. A 127.0.0.1
ns2.jp. A 127.0.0.3
ns3.jp. A 127.0.0.4
org NS ns1.org.
ns1.org. A 127.0.0.1
; RFC 9859 is about them too
jp._dsync TYPE66 \# %[1]s
`

const jpZone = `$TTL 300
@ SOA ns1 host 7 3600 600 86400 60
@ NS ns1
@ NS ns2
@ NS ns3
ns1 A 127.0.0.1
ns2 A 127.0.0.3
ns3 A 127.0.0.4
; more than one label away from its parent
city.ise.mie NS ns.city.ise.mie
ns.city.ise.mie A 127.0.0.5
city.ise.mie 600 DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
plain NS ns.city.ise.mie
half  NS ns.city.ise.mie
*._dsync 60 TYPE66 \# %[1]s
`

// lameZone has servers that are of no use: one knows nothing of org, one is no
// longer there, one never was.
const lameZone = `$TTL 300
@ SOA ns1 host 9 3600 600 86400 60
@ NS ns1
@ NS lame
@ NS gone
@ NS never.jp.
ns1  A 127.0.0.1
lame A 127.0.0.5
gone A 127.0.0.7
child NS ns1
child DS 1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
deep.down NS ns1
; no wildcard
_dsync TYPE66 \# %[1]s
own._dsync TYPE66 \# %[2]s
csync._dsync TYPE66 \# %[3]s
null._dsync TYPE66 \# %[4]s
scanner A 127.0.0.1
`

const cityZone = `$TTL 300
@ SOA ns host 2024010101 3600 600 86400 60
@ NS ns.city.ise.mie.jp.
ns A 127.0.0.5
@ 1200 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=
@ 1200 DNSKEY 256 3 15 zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=
`

// world is a running one.
type world struct {
	port      uint16
	resolvers map[string]string // by make
	notified  chan *dns.Msg     // what came to the target of DSYNC records
}

// observer asks in the world, through one of the resolvers.
func (w *world) observer(resolver string) Observer {
	return Observer{Resolvers: []string{w.resolvers[resolver]}, Port: w.port}
}

func startWorld(t *testing.T) *world {
	t.Helper()
	port := freePort(t, rootAddr, bindAddr, nsdAddr, knotAddr, childAddr, nobody)
	w := &world{port: uint16(port), notified: make(chan *dns.Msg, 100)}
	scanner, err := parsePort(answering(t, w.scan, nil))
	if err != nil {
		t.Fatal(err)
	}
	std := dsyncRDATA(dns.TypeCDS, 1, scanner, "scanner.org.")
	jp := fmt.Sprintf(jpZone, std)
	org := fmt.Sprintf(lameZone, std, dsyncRDATA(dns.TypeCDS, 1, scanner, "own.scanner.org."),
		dsyncRDATA(dns.TypeCSYNC, 1, scanner, "scanner.org."), dsyncRDATA(dns.TypeCDS, 0, scanner, "scanner.org."))
	w.bind(t, map[string]string{"jp": jp + "half DS 1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A\n", "org": org + "own.scanner A 127.0.0.1\n"})
	w.knot(t, rootAddr, map[string]string{".": fmt.Sprintf(rootZone, std)})
	w.knot(t, knotAddr, map[string]string{"jp": jp})
	w.nsd(t, nsdAddr, map[string]string{"jp": strings.Replace(jp, "600 DS", "900 DS", 1)})
	w.nsd(t, childAddr, map[string]string{
		"city.ise.mie.jp": cityZone, "plain.jp": strings.Split(cityZone, "@ 1200")[0],
	})
	w.resolvers = map[string]string{"named": w.namedResolver(t), "unbound": w.unboundResolver(t)}
	return w
}

// bind serves zones with BIND.
func (w *world) bind(t *testing.T, zones map[string]string) {
	dir := t.TempDir()
	conf := fmt.Sprintf(namedConf, w.port, w.port, "no")
	for name, text := range zones {
		write(t, dir, map[string]string{name: text})
		conf += fmt.Sprintf("zone %q { type primary; file %[1]q; };\n", name)
	}
	write(t, dir, map[string]string{"named.conf": conf})
	serve(t, dir, namedReady, "named", "-g", "-n", "1", "-c", "named.conf")
}

// nsd serves zones with NSD.
func (w *world) nsd(t *testing.T, address string, zones map[string]string) {
	dir := t.TempDir()
	conf := fmt.Sprintf(`server:
  ip-address: %s@%d
  zonesdir: %q
  database: ""
  xfrdfile: "%[3]s/xfrd.state"
  zonelistfile: "%[3]s/zone.list"
  xfrdir: %[3]q
  cookie-secret-file: ""
  pidfile: ""
  username: ""
  chroot: ""
  server-count: 1
remote-control:
  control-enable: no
`, address, w.port, dir)
	for name, text := range zones {
		write(t, dir, map[string]string{name: text})
		conf += fmt.Sprintf("zone:\n  name: %q\n  zonefile: %[1]q\n", name)
	}
	write(t, dir, map[string]string{"nsd.conf": conf})
	serve(t, dir, regexp.MustCompile(`nsd started`), "nsd", "-d", "-c", dir+"/nsd.conf")
}

// knot serves zones with Knot DNS.
func (w *world) knot(t *testing.T, address string, zones map[string]string) {
	dir := t.TempDir()
	conf := fmt.Sprintf(`server:
    listen: %s@%d
    rundir: %q
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: %[3]q
log:
  - target: stderr
    any: info
template:
  - id: default
    storage: %[3]q
    journal-content: none
zone:
`, address, w.port, dir)
	for name, text := range zones {
		file := "db." + name
		write(t, dir, map[string]string{file: text})
		conf += fmt.Sprintf("  - domain: %q\n    file: %q\n", name, file)
	}
	write(t, dir, map[string]string{"knot.conf": conf})
	serve(t, dir, regexp.MustCompile(`server started`), "knotd", "-c", dir+"/knot.conf")
}

// namedResolver walks down from the root.
func (w *world) namedResolver(t *testing.T) string {
	dir, port := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{
		"named.conf": fmt.Sprintf(namedConf, w.port, port, "yes") + `zone "." { type hint; file "hints"; };`,
		"hints":      ". 3600 NS ns.root.\nns.root. 3600 A 127.0.0.2\n",
	})
	serve(t, dir, namedReady, "named", "-g", "-n", "1", "-c", "named.conf")
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// unboundResolver asks elsewhere than at port 53 only where it is told to.
func (w *world) unboundResolver(t *testing.T) string {
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`server:
  interface: 127.0.0.1@%d
  directory: %q
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  do-ip6: no
  do-not-query-localhost: no
  module-config: "iterator"
  root-hints: ""
`, port, dir)
	for zone, address := range map[string]string{
		".": rootAddr, "jp.": bindAddr, "org.": bindAddr, "city.ise.mie.jp.": childAddr, "plain.jp.": childAddr,
		"half.jp.": childAddr,
	} {
		conf += fmt.Sprintf("stub-zone:\n  name: %q\n  stub-addr: %s@%d\n", zone, address, w.port)
	}
	write(t, dir, map[string]string{"unbound.conf": conf})
	serve(t, dir, regexp.MustCompile(`start of service`), "unbound", "-d", "-c", "unbound.conf")
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// scan acknowledges what comes.
func (w *world) scan(q *dns.Msg) *dns.Msg {
	w.notified <- q.Copy()
	return new(dns.Msg).SetReply(q)
}

// dsyncRDATA is the content of a DSYNC record as RFC 3597 has it.
func dsyncRDATA(qtype uint16, scheme uint8, port uint16, host string) string {
	rdata := []byte{byte(qtype >> 8), byte(qtype), scheme, byte(port >> 8), byte(port)}
	name := make([]byte, 300)
	n, err := dns.PackDomainName(host, name, 0, nil, false)
	if err != nil {
		panic(err)
	}
	rdata = append(rdata, name[:n]...)
	return fmt.Sprintf("%d %s", len(rdata), hex.EncodeToString(rdata))
}
