package simulate

import (
	"flag"
	"fmt"
	"testing"
)

var show = flag.Uint64("show", 0, "")

func TestShow(t *testing.T) {
	if *show == 0 {
		return
	}
	s := random(*show)
	fmt.Printf("%+v\n%+v\n", s.Policy, s.Parent)
	h := Run(s)
	dump(h)
}

func dump(h *History) {
	i := 0
	j := 0
	for _, x := range h.Transitions {
		for i < len(h.Marks) && !h.Marks[i].At.After(x.At) {
			fmt.Println(h.Marks[i].At.Format("2006-01-02 15:04:05"), "*****", h.Marks[i].Text)
			i++
		}
		for j < len(h.Bogus) && h.Bogus[j].At.Before(x.At) {
			fmt.Println(h.Bogus[j].At.Format("2006-01-02 15:04:05"), "!!!!!", h.Bogus[j].Mix)
			return
		}
		fmt.Println(x.At.Format("2006-01-02 15:04:05"), x.Key, x.Tag, x.Record, x.From, x.To, x.Why)
	}
	for j < len(h.Bogus) {
		fmt.Println(h.Bogus[j].At.Format("2006-01-02 15:04:05"), "!!!!!", h.Bogus[j].Mix)
		j++
	}
	for _, w := range h.Waiting {
		fmt.Println(w)
	}
}
