// A QR code as one path of an inline picture: dark on light whatever the theme, for that is what cameras read. No style, no script, no picture to load.
import encode from 'qrcode-generator'

// what readers want around it, in modules
const QUIET = 4

export function QrCode({ text, label }: { text: string; label: string }) {
  const code = encode(0, 'M')
  code.addData(text)
  code.make()
  const count = code.getModuleCount()
  const size = count + 2 * QUIET
  let path = ''
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (!code.isDark(row, column)) continue
      let end = column + 1
      while (end < count && code.isDark(row, end)) end += 1
      path += `M${column + QUIET} ${row + QUIET}h${end - column}v1h-${end - column}z`
      column = end
    }
  }
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} width="216" height="216" role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}
