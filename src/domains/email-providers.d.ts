// What the list of those who give addresses to everybody looks like: it comes without types.
declare module 'email-providers' {
  /** domains of those who give everybody an address */
  const providers: readonly string[]
  export default providers
}
