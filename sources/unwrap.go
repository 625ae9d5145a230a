package sources

// Ability returns of, a [Source] or [Partition], as a T: itself, or the first one
// it wraps that is a T. A wrapper that has the method Unwrap() Source, or Unwrap()
// Partition, keeps the abilities of what it wraps without naming them; one that
// lacks it hides them. This is how the engine finds every ability.
func Ability[T any](of any) (T, bool) {
	for {
		if found, ok := of.(T); ok {
			return found, true
		}
		switch wrapper := of.(type) {
		case interface{ Unwrap() Source }:
			of = wrapper.Unwrap()
		case interface{ Unwrap() Partition }:
			of = wrapper.Unwrap()
		default:
			var none T
			return none, false
		}
	}
}
