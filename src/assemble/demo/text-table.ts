/** Lines of aligned columns, two spaces apart; the first row is the head. Columns of numbers go to the right. */
export function formatTable(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = Math.max(0, ...rows.map(row => row.length))
  const shape = Array.from({ length: columns }, (_, column) => {
    const cells = rows.map(row => row[column] ?? '')
    const body = cells.slice(1)
    return {
      width: Math.max(...cells.map(cell => cell.length)),
      isNumeric: body.length > 0 && body.every(cell => /^\d+( s)?$/.test(cell)),
    }
  })
  return rows.map(row =>
    shape
      .map(({ width, isNumeric }, column) => {
        const cell = row[column] ?? ''
        return isNumeric ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
