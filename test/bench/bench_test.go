//go:build linux

package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
)

func TestParseDnsperf(t *testing.T) {
	const out = `Statistics:

  Queries sent:         254108
  Queries completed:    254100 (100.00%)
  Queries lost:         8 (0.00%)

  Response codes:       NXDOMAIN 254100 (100.00%)
  Average packet size:  request 45, response 491
  Run time (s):         3.000371
`
	got, err := parseDnsperf(out)
	want := asked{254100, 8, "NXDOMAIN 254100 (100.00%)", 491}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseDnsperf("no such file"); err == nil {
		t.Error("output without statistics is accepted")
	}
}

func TestCheckRcodes_OnlyAnswersOfTheKindCount(t *testing.T) {
	for _, tc := range []struct {
		kind   Kind
		rcodes string
		ok     bool
	}{
		{Positive, "NOERROR 10 (100.00%)", true},
		{Positive, "NOERROR 9 (90.00%), SERVFAIL 1 (10.00%)", false},
		{NameError, "NXDOMAIN 10 (100.00%)", true},
		{NameError, "NOERROR 10 (100.00%)", false},
		{Mixed, "NOERROR 8 (80.00%), NXDOMAIN 2 (20.00%)", true},
	} {
		if err := tc.kind.checkRcodes(tc.rcodes); (err == nil) != tc.ok {
			t.Errorf("%s with %s: %v", tc.kind, tc.rcodes, err)
		}
	}
}

func TestParseStat_CountsUserAndSystemTime(t *testing.T) {
	got, err := parseStat("812 (core) dns) S 1 812 812 0 -1 4194304 9 0 0 0 123 45 0 0 20 0 9 0 100 1 1")
	if err != nil || got != 1680*time.Millisecond {
		t.Errorf("got %s, %v, want 1.68s", got, err)
	}
	if _, err := parseStat("812"); err == nil {
		t.Error("a line without times is accepted")
	}
}

func TestKibibytes(t *testing.T) {
	if got := kibibytes([]byte("VmPeak:\t 99 kB\nVmHWM:\t  1234 kB\n"), "VmHWM:"); got != 1234 {
		t.Errorf("got %d, want 1234", got)
	}
}

// The bench reads what the signer logs: the two must agree.
func TestParsePublished_ReadsTheEventAsItIsLogged(t *testing.T) {
	e := event.Event{
		Kind: event.Published, Zone: "example.org.", Serial: 7, Signatures: 318_508, Took: 2345 * time.Millisecond,
		Why: "source changed", Expiry: time.Unix(1e9, 0), Next: time.Unix(1e9, 0),
	}
	for _, text := range []string{e.String(), "[INFO] plugin/autosign: " + e.String()} {
		got, err := parsePublished(text)
		if err != nil || got != (published{318_508, 2345 * time.Millisecond}) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
}

func TestFigure_VerdictHoldsTheTarget(t *testing.T) {
	for _, tc := range []struct {
		figure Figure
		want   string
	}{
		{Figure{Reached: 0.6, Target: 0.6}, "pass"},
		{Figure{Reached: 0.61, Target: 0.6}, "FAIL"},
		{Figure{Reached: 0, Target: 0.6}, "FAIL"}, // nothing was measured
		{Figure{Reached: 3}, "-"},
	} {
		if got := tc.figure.Verdict(); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.figure, got, tc.want)
		}
	}
}

func TestTable_PrintsEachFigureAndCountsWhatIsMissed(t *testing.T) {
	var tab Table
	tab.Add(Figure{What: "M: parse", Reading: "0.8 s"})
	tab.Add(Figure{What: "M: signing", Reading: "2 / 6 s", Reached: 0.33, Target: 0.6})
	tab.Add(Figure{What: "M: answer", Reading: "20 / 10 us", Reached: 2, Target: 1.25})
	var b strings.Builder
	tab.Print(&b)
	for _, want := range []string{"M: parse", "0.33", "pass", "1.25", "FAIL"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if tab.Missed() != 1 {
		t.Errorf("%d missed, want 1", tab.Missed())
	}
}

func TestPercentile_OfTheWindowAlone(t *testing.T) {
	var s []sample
	for i := range 1000 {
		s = append(s, sample{time.Duration(i), time.Duration(i)})
	}
	s = append(s, sample{5000, time.Hour})
	if got := percentile(s, 0, 1000, 990); got != 990 {
		t.Errorf("got %d, want 990", got)
	}
	if got := percentile(s, 6000, 7000, 990); got != 0 {
		t.Errorf("got %d of no samples, want 0", got)
	}
}

// echo answers each datagram with itself.
func echo(t *testing.T) (port int) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDP(buf)
			if err != nil {
				return
			}
			c.WriteToUDP(buf[:n], from)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func TestLoad_KeepsItsRateAndTimesEachAnswer(t *testing.T) {
	l, err := newLoad(Small, 2000)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := l.run(echo(t), 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 400 {
		t.Errorf("%d samples of 400 questions", len(samples))
	}
	for _, s := range samples {
		if s.Latency <= 0 || s.Due <= 0 || s.Due >= 200*time.Millisecond {
			t.Fatalf("impossible sample %+v", s)
		}
	}
}

func TestRun_IsBoundedInTime(t *testing.T) {
	start := time.Now()
	if _, _, err := run(t.Context(), 50*time.Millisecond, "sleep", "10"); err == nil {
		t.Error("a process that outlives its limit is no error")
	}
	if time.Since(start) > 5*time.Second {
		t.Error("the process was not ended")
	}
}

func TestServer_AwaitReadsWhatItWrites(t *testing.T) {
	dir := t.TempDir()
	srv, err := Spec{Binary: "echo", Corefile: "", Dir: dir}.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Stop()
	if l, err := srv.Await(5*time.Second, 0, "-conf", "Corefile"); err != nil || l.At.Before(srv.Started) {
		t.Errorf("got %+v, %v", l, err)
	}
	if _, err := srv.Await(5*time.Second, 0, "never written"); err == nil {
		t.Error("a line that never comes is found")
	}
}
