package parent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lastPort is the port that freePort handed out last. Ports lie below the range
// that the system takes for clients: one of theirs could get there first.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(20000 + os.Getpid()*61%10000)) }

// freePort returns a port that is free on the loopback addresses given, or on
// 127.0.0.1, UDP and TCP.
func freePort(t *testing.T, addresses ...string) int {
	t.Helper()
	if addresses == nil {
		addresses = []string{"127.0.0.1"}
	}
	for range 100 {
		port := int(lastPort.Add(1))
		taken := func(a string) bool { return !isFree(net.JoinHostPort(a, strconv.Itoa(port))) }
		if !slices.ContainsFunc(addresses, taken) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func isFree(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	u.Close()
	return true
}

// startNamed runs BIND, with recursion "yes" or "no", those lines of configuration
// and those files, and returns its address.
func startNamed(t *testing.T, recursion, conf string, files map[string]string) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{"named.conf": fmt.Sprintf(namedConf, port, port, recursion) + conf})
	write(t, dir, files)
	serve(t, dir, namedReady, "named", "-g", "-n", "1", "-c", "named.conf")
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// serve runs a server in dir until the test ends, and waits until it says that it
// is ready.
func serve(t *testing.T, dir string, ready *regexp.Regexp, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	err = cmd.Start()
	in.Close()
	if err != nil {
		t.Fatalf("this test needs %s: %v", name, err)
	}
	silent := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		silent.Reset(10 * time.Second) // nsd has children, which it ends when told to
		cmd.Wait()
		silent.Stop()
		out.Close()
	})
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if ready.MatchString(lines.Text()) {
			silent.Stop()
			go io.Copy(io.Discard, out)
			return
		}
	}
	t.Fatalf("%s did not start:\n%s", name, said.String())
}

var namedReady = regexp.MustCompile(` running$`)

const namedConf = `
options {
	directory ".";
	port %d;
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	empty-zones-enable no;
	notify no;
	dnssec-validation no;
	recursion %s;
};
controls { };
`

const apex = "$TTL 300\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\n"

const orgZone = apex + `
ns1       A  127.0.0.1
signed    NS ns.signed
ns.signed A  127.0.0.1
unsigned  NS ns1
Mixed     NS ns1
many      NS ns1
alias     CNAME unsigned
*.wild    TXT "anything"
signed 60 DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
signed 60 DS 2371 15 4 072B5E1F8C8A9F4D1F7F7A1A6C0F8E8A4C2B5E1F8C8A9F4D1F7F7A1A6C0F8E8A4C2B5E1F8C8A9F4D1F7F7A1A6C0F8E8A
Mixed     DS 7 8 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
`

// startParent runs two servers of org, which agree about some of its children
// only. The first serves example.net too, and a zone that did not load.
func startParent(t *testing.T) (first, second string) {
	t.Helper()
	var many strings.Builder
	for i := range 60 {
		fmt.Fprintf(&many, "many DS %d 13 2 %064X\n", i, i)
	}
	other := strings.Replace(orgZone, "Mixed     DS 7", "Mixed     DS 8", 1)
	first = startNamed(t, "no", `
		zone "org" { type primary; file "org"; };
		zone "example.net" { type primary; file "example.net"; };
		zone "broken" { type primary; file "broken"; };
	`, map[string]string{
		"org": orgZone + many.String(), "example.net": apex + "ns1 A 127.0.0.1\n", "broken": "this is no zone\n",
	})
	second = startNamed(t, "no", `zone "org" { type primary; file "org"; };`,
		map[string]string{"org": strings.ReplaceAll(other, "signed 60 DS", "signed 900 DS")})
	return first, second
}

// startRoot runs a server of the root.
func startRoot(t *testing.T) string {
	t.Helper()
	return startNamed(t, "no", `zone "." { type primary; file "root"; };`,
		map[string]string{"root": apex + "ns1 A 127.0.0.1\ncom NS ns1\n"})
}

// startResolver runs a resolver that asks the given server about org and broken.
func startResolver(t *testing.T, server string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	return startNamed(t, "yes", fmt.Sprintf(`
		zone "org" { type forward; forward only; forwarders { %[1]s port %[2]s; }; };
		zone "broken" { type forward; forward only; forwarders { %[1]s port %[2]s; }; };
	`, host, port), nil)
}
