// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Measures of the chart, in its own units.
const (
	chartWidth = 820
	labelWidth = 270
	valueWidth = 90
	rowHeight  = 24
	headHeight = 64
	tickCount  = 5 // powers of ten: 10 ms to 100 s
	firstTick  = 1 // 10 to the power of
)

// bar is a row of the chart.
type bar struct {
	label, class string
	// middle and high are in milliseconds.
	middle, high float64
}

// bars are the changes of addresses, by number of names, the slowest arm first.
func (r *results) bars() []bar {
	var all []bar
	for _, names := range r.Sizes() {
		for _, a := range r.Arms {
			samples := r.find(address, a.Name, names, 0)
			if len(samples) == 0 {
				continue
			}
			class := "theirs"
			if a.Name == "X1" {
				class = "ours"
			}
			label := fmt.Sprintf("%s, %s", a.Words, count(names, "name"))
			all = append(all, bar{label, class, median(samples), quantile(samples, 0.95)})
		}
	}
	return all
}

// style follows the reader's choice of light or dark.
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; font-size: 15px; }
.small, .tick { font-size: 11px; fill: #59636e; }
.grid { stroke: #d1d9e0; }
.ours { fill: #0969da; }
.theirs { fill: #9a6700; }
.high { stroke: #59636e; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .small, .tick { fill: #9198a1; }
  .grid { stroke: #3d444d; }
  .ours { fill: #4493f8; }
  .theirs { fill: #d29922; }
  .high { stroke: #9198a1; }
}
</style>`

// chart draws medians as bars on a logarithmic axis, with a line to the 95th percentile.
func (r *results) chart(w io.Writer) error {
	bars := r.bars()
	height := headHeight + rowHeight*len(bars) + 30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">`+"\n",
		chartWidth, height)
	fmt.Fprintln(&b, `<title id="title">From a new address in Kubernetes to the authoritative answer</title>`)
	fmt.Fprintln(&b, style)
	fmt.Fprintln(&b, `<text class="head" x="8" y="22">From a new address in Kubernetes to the authoritative answer</text>`)
	fmt.Fprintln(&b, `<text class="small" x="8" y="40">Bar: median. Line: 95th percentile. The axis is logarithmic. Less is better.</text>`)
	bottom := headHeight + rowHeight*len(bars)
	for i := range tickCount {
		value := math.Pow(10, float64(firstTick+i))
		x := position(value)
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x, x, headHeight-8, bottom)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, bottom+18, duration(value))
	}
	for i, bar := range bars {
		y := headHeight + rowHeight*i
		fmt.Fprintf(&b, `<text x="8" y="%d">%s</text>`+"\n", y+15, bar.label)
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="14" rx="2"/>`+"\n",
			bar.class, labelWidth, y+4, position(bar.middle)-labelWidth)
		fmt.Fprintf(&b, `<line class="high" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n",
			position(bar.middle), position(bar.high), y+11, y+11)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", position(bar.high)+6, y+15, duration(bar.middle))
	}
	fmt.Fprintln(&b, "</svg>")
	_, err := io.WriteString(w, b.String())
	return err
}

// position of a value on the axis.
func position(milliseconds float64) float64 {
	share := (math.Log10(max(milliseconds, math.Pow(10, firstTick))) - firstTick) / (tickCount - 1)
	return labelWidth + share*(chartWidth-labelWidth-valueWidth)
}

// duration as people read it.
func duration(milliseconds float64) string {
	if milliseconds < 1000 {
		return fmt.Sprintf("%.3g ms", milliseconds)
	}
	return fmt.Sprintf("%.3g s", milliseconds/1000)
}

// count with the noun in its number.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%s %s", thousands(n), noun)
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
