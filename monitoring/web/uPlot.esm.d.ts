/** The module is copied here by the build; its types are those of the package. */
export { default } from 'uplot';
