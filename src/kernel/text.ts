// Text that is compared: e-mails, names of things. What looks alike must be alike, and nothing invisible tells two apart
// (Unicode UAX 15, UTS 39; RFC 8264 calls it enforcement). Pure.

// control, format, private and half characters; fillers and selectors that show nothing; line separators
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\u2800]/u
// what joins letters of scripts that need it, parts of one picture, or makes a picture of a sign: seen by its effect
const JOINING = new RegExp([
  String.raw`(?<=[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}])[\u200c\u200d](?=\p{L})`,
  String.raw`(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d(?=\p{Extended_Pictographic})`,
  String.raw`(?<=\p{Extended_Pictographic})\ufe0f`,
].join('|'), 'gu')

// what most text is made of: nothing in it is unseen, nor has a second form
const PLAIN = /^[\x20-\x7e]*$/

/** A name in its one spelling: NFC, without white space around it. Null when it holds control, bidirectional or invisible characters or half a surrogate pair. */
export function plainText(text: string): string | null {
  if (PLAIN.test(text)) return text.trim()
  return UNSEEN.test(text.replace(JOINING, '')) ? null : text.normalize('NFC').trim()
}

/** Case and form are folded, character by character, so that what stands around one does not matter (a final sigma is a sigma). */
function foldOnce(text: string): string {
  const folded = Array.from(text.normalize('NFKC'), (character) => character.toUpperCase().toLowerCase()).join('')
  // the full stops of other scripts, and the dot that lower case puts above an i which has one
  return folded.replaceAll('\u3002', '.').replaceAll('i\u0307', 'i').normalize('NFKC')
}

/** What two texts share that differ in case, width, or form (Unicode NFKC_Casefold, and dotless i as i). Null like plainText, and for any joiner. */
export function foldedText(text: string): string | null {
  if (PLAIN.test(text)) return text.toLowerCase()
  if (UNSEEN.test(text)) return null
  let folded = foldOnce(text)
  // folding may join what can be folded again; it has settled after three in all of Unicode
  for (let round = 0; round < 4; round += 1) {
    const again = foldOnce(folded)
    if (again === folded) return UNSEEN.test(folded) ? null : folded
    folded = again
  }
  return null
}
