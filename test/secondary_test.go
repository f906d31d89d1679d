package test

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// secondary is another name server that takes our zones by transfer.
type secondary struct {
	name string
	// conf returns the configuration of a server in dir, on port, that takes
	// zones from the primary's port; run the program and its arguments.
	conf func(dir string, port, primary int, zones []string) string
	run  []string // CONF stands for the configuration file
}

var secondaries = []secondary{
	{"named", namedConf, []string{"named", "-g", "-c", "CONF"}},
	{"nsd", nsdConf, []string{"nsd", "-d", "-c", "CONF"}},
	{"knotd", knotConf, []string{"knotd", "-c", "CONF"}},
}

func namedConf(dir string, port, primary int, zones []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `options {
  directory %q;
  listen-on port %d { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  recursion no;
  dnssec-validation no;
  notify no;
  transfer-source 127.0.0.1;
  query-source address 127.0.0.1;
  allow-transfer { any; };
  min-refresh-time 1; min-retry-time 1;
};
controls { };
`, dir, port)
	for i, z := range zones {
		fmt.Fprintf(&b, "zone %q { type secondary; primaries port %d { 127.0.0.1; }; file \"zone%d\"; };\n", z, primary, i)
	}
	return b.String()
}

func nsdConf(dir string, port, primary int, zones []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  ip-address: 127.0.0.1@%d
  zonesdir: %q
  database: ""
  xfrdfile: "%s/xfrd.state"
  zonelistfile: "%s/zone.list"
  xfrdir: %q
  cookie-secret-file: ""
  pidfile: ""
  username: ""
  chroot: ""
  server-count: 1
remote-control:
  control-enable: no
`, port, dir, dir, dir, dir)
	for i, z := range zones {
		fmt.Fprintf(&b, `zone:
  name: %q
  zonefile: "zone%d"
  request-xfr: AXFR 127.0.0.1@%d NOKEY
  allow-notify: 127.0.0.1 NOKEY
  outgoing-interface: 127.0.0.1
  provide-xfr: 127.0.0.1 NOKEY
  min-refresh-time: 1
  min-retry-time: 1
`, z, i, primary)
	}
	return b.String()
}

func knotConf(dir string, port, primary int, zones []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
    listen: 127.0.0.1@%d
    rundir: %q
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: %q
log:
  - target: stderr
    any: info
remote:
  - id: primary
    address: 127.0.0.1@%d
    via: 127.0.0.1
acl:
  - id: anybody
    address: 127.0.0.1
    action: [notify, transfer]
template:
  - id: default
    storage: %q
    master: primary
    acl: anybody
    journal-content: none
    zonefile-load: none
zone:
`, port, dir, dir, primary, dir)
	for i, z := range zones {
		fmt.Fprintf(&b, "  - domain: %q\n    file: \"zone%d\"\n    semantic-checks: on\n    dnssec-validation: on\n", z, i)
	}
	return b.String()
}

// follow starts a secondary on a free port and returns its address; announce
// is a port that the primary was told to notify, or 0.
func follow(t *testing.T, s secondary, announce, primary int, zones []string) string {
	t.Helper()
	if announce == 0 {
		announce = freePort(t)
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"conf": s.conf(dir, announce, primary, zones)})
	args := make([]string, 0, len(s.run))
	for _, a := range s.run {
		args = append(args, strings.ReplaceAll(a, "CONF", filepath.Join(dir, "conf")))
	}
	spawn(t, dir, tool(t, args[0]), args[1:]...)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(announce))
}

// TestSecondaries_ServeWhatTheyTookValid has BIND, NSD and Knot take every
// denial mode, then compares and verifies what they serve. After an edit a
// NOTIFY must bring them the new version: the refresh time is hours away.
func TestSecondaries_ServeWhatTheyTookValid(t *testing.T) {
	dir := t.TempDir()
	var zones []string
	corefile := ""
	ports := []int{freePort(t), freePort(t), freePort(t)}
	for _, m := range modes {
		zone := m.name + ".example."
		zones = append(zones, zone)
		write(t, dir, map[string]string{"db." + zone: shorter(corners(zone, 1), zone)})
		corefile += strings.Replace(block(zone, "db."+zone, "denial "+m.denial), "to *",
			fmt.Sprintf("to * 127.0.0.1:%d 127.0.0.1:%d 127.0.0.1:%d", ports[0], ports[1], ports[2]), 1)
	}
	s := start(t, dir, corefile)
	serials := map[string]uint32{}
	for _, z := range zones {
		serials[z] = s.signed(t, z)
	}
	addrs := make([]string, len(secondaries))
	for i, sec := range secondaries {
		addrs[i] = follow(t, sec, ports[i], s.port, zones)
	}
	for i, sec := range secondaries {
		for _, z := range zones {
			caughtUp(t, sec.name, addrs[i], z, serials[z])
			verifyFile(t, z, axfr(t, addrs[i], z))
		}
	}
	for _, z := range zones {
		write(t, dir, map[string]string{"db." + z: shorter(corners(z, 100), z) + "added IN A 192.0.2.99\n"})
	}
	for _, z := range zones {
		now := s.signedAfter(t, z, serials[z])
		for i, sec := range secondaries {
			caughtUp(t, sec.name, addrs[i], z, now)
			verifyFile(t, z, axfr(t, addrs[i], z))
		}
	}
}

// shorter takes the name of 255 octets out of a zone: NSD 4.6.1 puts an
// asterisk before every name to hash it for NSEC3, and dies when it does not fit.
func shorter(text, zone string) string {
	return strings.Replace(text, longName(zone)+" IN A 192.0.2.250\n", "", 1)
}

func caughtUp(t *testing.T, name, addr, zone string, serial uint32) {
	t.Helper()
	until(t, fmt.Sprintf("%s with serial %d of %s", name, serial, zone), func() string {
		got, problem := soa(addr, zone)
		if problem == "" && got != serial {
			return fmt.Sprintf("has %d", got)
		}
		return problem
	})
}
