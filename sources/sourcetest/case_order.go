package sourcetest

func orderCases() []testCase {
	return []testCase{
		{"Order", "ordered and grouped: records with one key come in the order they were sent in", order, keyed},
		{"KeyKept", "Record.Key is the order key that the record was sent with", keyKept, keyed},
		{"GroupWithheld", "grouped: a group is withheld while one of its records is in flight", groupWithheld, grouped},
		{"GroupGoesOn", "grouped: a group in flight does not hold up other groups", groupGoesOn, grouped},
	}
}

// order settles each record before the next is fetched, which grouped sources
// ask for, with buffers of several sizes.
func order(p *probe) {
	const count = 40
	r := p.open()
	defer r.close()
	bodies := r.send(count, "a", "b", "c")
	var got []taken
	for size := 1; len(got) < count; size = size%defaultBatch + 1 {
		some := r.collect(1, size)
		r.ack(some)
		got = append(got, some...)
	}
	r.exactly(got, bodies)
	r.inOrder(got, bodies)
}

func keyKept(p *probe) {
	r := p.open()
	defer r.close()
	body := r.send(1, "the-key")[0]
	if got := r.collect(1, 1)[0]; got.Key != "the-key" {
		p.brokenf("Key of %q is %q, want %q", body, got.Key, "the-key")
	}
}

func groupWithheld(p *probe) {
	r := p.open()
	defer r.close()
	bodies := r.send(3, "a")
	got := r.collect(1, 1)
	r.nothing("although a record of its group is in flight")
	r.ack(got)
	got = append(got, r.collect(1, 1)...)
	r.ack(got[1:])
	got = append(got, r.collect(1, 1)...)
	r.exactly(got, bodies)
	r.inOrder(got, bodies)
}

func groupGoesOn(p *probe) {
	r := p.open()
	defer r.close()
	r.send(2, "a")
	first := r.collect(1, 1)
	r.send(1, "b")
	other := r.collect(1, 1)
	if other[0].Key != "b" {
		p.brokenf("Fetch: a record of group %q came, which is in flight", other[0].Key)
	}
	r.ack(other)
	r.ack(first)
	r.ack(r.collect(1, 1))
}
