//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A server under measurement has core 0 for itself, dnsperf has core 1.
const (
	serverCore = "0"
	askerCore  = "1"
)

// asked is what dnsperf says of a run.
type asked struct {
	Completed, Lost int
	Rcodes          string // "NOERROR 123 (100.00%)"
	ResponseSize    int    // octets, mean
}

var (
	completedLine = regexp.MustCompile(`Queries completed:\s+(\d+)`)
	lostLine      = regexp.MustCompile(`Queries lost:\s+(\d+)`)
	rcodesLine    = regexp.MustCompile(`Response codes:\s+(.+)`)
	sizeLine      = regexp.MustCompile(`response (\d+)`)
)

// parseDnsperf reads the statistics that dnsperf prints at its end.
func parseDnsperf(out string) (asked, error) {
	field := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(out); m != nil {
			return strings.TrimSpace(m[1])
		}
		return ""
	}
	var a asked
	var err error
	if a.Completed, err = strconv.Atoi(field(completedLine)); err != nil {
		return a, fmt.Errorf("dnsperf: unexpected output: %s", lastLines(out, 5))
	}
	a.Lost, _ = strconv.Atoi(field(lostLine))
	a.ResponseSize, _ = strconv.Atoi(field(sizeLine))
	a.Rcodes = field(rcodesLine)
	return a, nil
}

// perQuery asks a server for that long and returns the server's processor time
// for one query.
func perQuery(ctx context.Context, s *Server, port int, questions string, length time.Duration) (time.Duration, asked, error) {
	before, err := s.CPU()
	if err != nil {
		return 0, asked{}, err
	}
	_, out, err := run(ctx, length+30*time.Second, "taskset", "-c", askerCore, "dnsperf", "-s", "127.0.0.1",
		"-p", strconv.Itoa(port), "-d", questions, "-D", "-c", "4", "-T", "1", "-q", "100",
		"-l", strconv.FormatFloat(length.Seconds(), 'f', 1, 64))
	if err != nil {
		return 0, asked{}, err
	}
	after, err := s.CPU()
	if err != nil {
		return 0, asked{}, err
	}
	a, err := parseDnsperf(string(out))
	if err != nil {
		return 0, a, err
	}
	if a.Completed == 0 || a.Lost > a.Completed/100 {
		return 0, a, fmt.Errorf("dnsperf: %d of %d queries lost", a.Lost, a.Completed+a.Lost)
	}
	return (after - before) / time.Duration(a.Completed), a, nil
}

// costs are the costs of answers by kind: the least of the rounds.
type costs map[Kind]time.Duration

func (c costs) keep(k Kind, d time.Duration) {
	if old, ok := c[k]; !ok || d < old {
		c[k] = d
	}
}

// answers measures answers of all kinds beside whoami's: both servers stand on
// the same core and are asked in turn, each kind a few seconds a round.
func (b *bench) answers(ctx context.Context, z Zone, d Denial) (costs, error) {
	floor, err := b.startWhoami(z)
	if err != nil {
		return nil, err
	}
	defer floor.Stop()
	ours, err := b.startSigner(ctx, z, d, signer{CPU: serverCore, Procs: 1, Verify: "full", Calm: true})
	if err != nil {
		return nil, err
	}
	defer ours.Stop()

	least, whoami, sizes := costs{}, costs{}, map[Kind]asked{}
	for range b.rounds {
		for _, k := range z.Kinds() {
			file, err := b.questions(z, k)
			if err != nil {
				return nil, err
			}
			took, _, err := perQuery(ctx, floor, b.port+whoamiPort, file, b.length)
			if err != nil {
				return nil, fmt.Errorf("%s: whoami: %w", z.Origin, err)
			}
			whoami.keep(k, took)
			took, a, err := perQuery(ctx, ours, b.port+signerPort, file, b.length)
			if err != nil {
				return nil, fmt.Errorf("%s: answers of kind %s: %w", z.Origin, k, err)
			}
			if err := k.checkRcodes(a.Rcodes); err != nil {
				return nil, fmt.Errorf("%s: answers of kind %s: %w", z.Origin, k, err)
			}
			least.keep(k, took)
			sizes[k] = a
		}
	}
	b.reportAnswers(z, d, least, whoami, sizes)
	return least, nil
}

// checkRcodes makes sure that what was measured are the answers of the kind.
func (k Kind) checkRcodes(rcodes string) error {
	want := "NOERROR"
	switch k {
	case NameError:
		want = "NXDOMAIN"
	case Mixed:
		return nil
	}
	if !strings.HasPrefix(rcodes, want+" ") || strings.Contains(rcodes, ",") {
		return fmt.Errorf("answers are %s, want %s", rcodes, want)
	}
	return nil
}

func (b *bench) reportAnswers(z Zone, d Denial, ours, whoami costs, sizes map[Kind]asked) {
	for _, k := range z.Kinds() {
		b.table.Add(Figure{
			What: fmt.Sprintf("%s %s: CPU of an answer, %s / whoami", z.Name, d, k),
			Reading: fmt.Sprintf("%.1f / %.1f us, %d octets",
				microseconds(ours[k]), microseconds(whoami[k]), sizes[k].ResponseSize),
			Reached: float64(ours[k]) / float64(whoami[k]),
			Target:  k.Limit(),
		})
	}
}

// compareSizes reports what a million delegations cost beside 100,000 names.
func (b *bench) compareSizes(d Denial, medium, large costs) {
	for _, k := range Large.Kinds() {
		if medium[k] == 0 || large[k] == 0 {
			continue
		}
		b.table.Add(Figure{
			What:    fmt.Sprintf("%s: CPU of an answer, %s, L / M", d, k),
			Reading: fmt.Sprintf("%.1f / %.1f us", microseconds(large[k]), microseconds(medium[k])),
			Reached: float64(large[k]) / float64(medium[k]),
			Target:  1.1,
		})
	}
}

func microseconds(d time.Duration) float64 { return math.Round(float64(d)/100) / 10 }

// questions returns the file of questions of a kind, written once.
func (b *bench) questions(z Zone, k Kind) (string, error) {
	name := filepath.Join(b.dir, strings.Map(letter, z.Name+"-"+string(k))+".questions")
	return name, b.writeOnce(name, func(w writer) error { return z.WriteQuestions(w, k, 200_000) })
}

// letter keeps what is good in a file name.
func letter(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
		return r
	}
	return '_'
}
